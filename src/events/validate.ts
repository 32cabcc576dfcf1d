import type { ErrorObject } from "ajv";
import type { EmotionEvent } from "./event.js";
import { validate } from "./validator.js";

/** Whether a value is an emotion event; additional fields are allowed. */
export function isEmotionEvent(value: unknown): value is EmotionEvent {
  return validate(value);
}

/** Why a value is not an emotion event, without any data from the value; undefined if it is one. */
export function whyNoEvent(value: unknown): string | undefined {
  if (validate(value)) return undefined;
  const [error] = validate.errors ?? [];
  return error ? reason(error) : "it does not match the schema";
}

/** Returns the value as an emotion event. Throws a `TypeError` with the reason if it is not one. */
export function parseEvent(value: unknown): EmotionEvent {
  const why = whyNoEvent(value);
  if (why !== undefined) throw new TypeError(`not an emotion event: ${why}`);
  return value as EmotionEvent;
}

function reason({ instancePath, message, keyword, params }: ErrorObject): string {
  const at = instancePath.slice(1).replaceAll("/", ".");
  if (keyword === "required") return `\`${at ? `${at}.` : ""}${String(params.missingProperty)}\` is missing`;
  const what = keyword === "const" ? `must be ${JSON.stringify(params.allowedValue)}` : message;
  // The path may contain names of probabilities, which are untrusted.
  if (at === "" && keyword === "type") return "it must be an object; parse text with `JSON.parse` first";
  return at ? `\`${at.replace(/^(data\.(?:probabilities|raw))\..*/s, "$1")}\` ${what}` : `it ${what}`;
}
