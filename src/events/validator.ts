import { Ajv, type Options } from "ajv";
import { EmotionEvent } from "./event.js";
import { isTime } from "./time.js";

export const OPTIONS: Options = { strict: false, formats: { "date-time": isTime } };

/** Fields of later versions and extensions of CloudEvents are no mistake of who sends them: they are passed over. */
export const SCHEMA: object = JSON.parse(JSON.stringify(EmotionEvent), (key, value) =>
  key === "additionalProperties" && value === false ? undefined : value,
);

/**
 * Whether a value is an emotion event. In `dist` this module is the code alone that ajv makes of the schema
 * (`scripts/build-events.ts`): making it takes `eval`, which browsers forbid where a page's policy does.
 */
export const validate = new Ajv(OPTIONS).compile<EmotionEvent>(SCHEMA);
