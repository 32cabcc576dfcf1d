import type { ErrorObject } from "ajv";
import type { EmotionEvent } from "./event.js";
import { validate } from "./validator.js";

/** Whether a value is an emotion event; further fields are allowed. */
export function isEmotionEvent(value: unknown): value is EmotionEvent {
  return validate(value);
}

/** Why a value is no emotion event, in a few words that hold nothing of the value itself; undefined where it is one. */
export function whyNoEvent(value: unknown): string | undefined {
  if (validate(value)) return undefined;
  const [error] = validate.errors ?? [];
  return error ? reason(error) : "it does not fit the schema";
}

/** The value as an emotion event. Throws `TypeError` that says what is wrong where it is none. */
export function parseEvent(value: unknown): EmotionEvent {
  const why = whyNoEvent(value);
  if (why !== undefined) throw new TypeError(`no emotion event: ${why}`);
  return value as EmotionEvent;
}

function reason({ instancePath, message, keyword, params }: ErrorObject): string {
  const at = instancePath.slice(1).replaceAll("/", ".");
  if (keyword === "required") return `\`${at ? `${at}.` : ""}${String(params.missingProperty)}\` is missing`;
  const what = keyword === "const" ? `must be ${JSON.stringify(params.allowedValue)}` : message;
  // Names of probabilities come from outside, and stand in the path.
  if (at === "" && keyword === "type")
    return "it must be an object; of a text, what `JSON.parse` makes of it";
  return at ? `\`${at.replace(/^(data\.(?:probabilities|raw))\..*/s, "$1")}\` ${what}` : `it ${what}`;
}
