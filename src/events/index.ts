/**
 * What subscribers need: the event's type, its JSON Schema, and a check of what came. No other part of the package is
 * loaded with it.
 */
export { EmotionData, EmotionEvent } from "./event.js";
export { isEmotionEvent, parseEvent, whyNoEvent } from "./validate.js";
