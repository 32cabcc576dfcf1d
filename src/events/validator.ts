import { Ajv, type Options } from "ajv";
import { EmotionEvent } from "./event.js";
import { isTime } from "./time.js";

export const OPTIONS: Options = { strict: false, formats: { "date-time": isTime } };

/** Allows additional fields: later versions and CloudEvents extensions may add them. */
export const SCHEMA: object = JSON.parse(JSON.stringify(EmotionEvent), (key, value) =>
  key === "additionalProperties" && value === false ? undefined : value,
);

/**
 * Whether a value is an emotion event. In `dist`, this module only has the code that ajv generates from the schema
 * (`scripts/build-events.ts`): generating it takes `eval`, which a page's policy may forbid.
 */
export const validate = new Ajv(OPTIONS).compile<EmotionEvent>(SCHEMA);
