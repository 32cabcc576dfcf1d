/**
 * Everything subscribers need: the event's type, its JSON Schema, and validation. Loads no other part of the package.
 */
export { EmotionData, EmotionEvent } from "./event.js";
export { isEmotionEvent, parseEvent, whyNoEvent } from "./validate.js";
