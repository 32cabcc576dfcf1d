import { Type } from "typebox";
import type * as quantities from "./quantities.js";

export { pixelsOf } from "./quantities.js";

/**
 * Options with a unit. YAML contains the unit (`400ms`, `8%`, `1280x720`, `10MB`); the loader converts each value once,
 * to the static type. `x-unit` marks them for the loader and for editors.
 */
export type Unit = "duration" | "length" | "size" | "bytes" | "path" | "rate";

export type Length = quantities.Length;
export type Size = quantities.Size;

interface UnitOptions {
  description: string;
  /** As written in YAML, e.g. `400ms`. */
  default?: string | number;
  examples?: readonly (string | number)[];
  /** A path that is only read, even by a sink. */
  "x-read"?: true;
}

const PATTERNS = {
  duration: "^\\d+(\\.\\d+)?(ms|s|m|h|d)$",
  length: "^(\\d+(\\.\\d+)?px|(100|\\d{1,2}(\\.\\d+)?)%)$",
  size: "^[1-9]\\d{0,3}x[1-9]\\d{0,3}$",
  bytes: "^\\d+(\\.\\d+)?(B|kB|KB|MB|GB|KiB|MiB|GiB)$",
  path: "^[^\\0]+$",
  rate: "^(?=[\\d.]*[1-9])\\d+(\\.\\d+)?(/0*[1-9]\\d*)?$",
} as const;

/** The expected form, for error messages. */
export const UNIT_FORMS: Record<Unit, string> = {
  duration: "a duration such as 400ms, 2s, 5m or 1h (a bare number is milliseconds)",
  length:
    "a length such as 80px, or up to 100% of the frame's smaller side such as 8% (a bare number is pixels)",
  size: "a size such as 1280x720, up to 9999x9999",
  bytes: "a size in bytes such as 500kB, 10MB or 1GiB (a bare number is bytes)",
  path: "a path, relative to the pipeline file",
  rate: "a rate above 0 such as 15, 29.97 or 30000/1001",
};

function withUnit<T>(unit: Unit, options: UnitOptions) {
  const bare =
    unit === "size" || unit === "path"
      ? []
      : [{ type: "number", ...(unit === "rate" ? { exclusiveMinimum: 0 } : { minimum: 0 }) }];
  const text = { type: "string", pattern: PATTERNS[unit] };
  return Type.Unsafe<T>({ "x-unit": unit, anyOf: [text, ...bare], ...options });
}

/** Milliseconds. */
export const Duration = (options: UnitOptions) => withUnit<number>("duration", options);
export const Length = (options: UnitOptions) => withUnit<Length>("length", options);
export const Size = (options: UnitOptions) => withUnit<Size>("size", options);
/** Bytes. */
export const Bytes = (options: UnitOptions) => withUnit<number>("bytes", options);
/** An absolute path, resolved against the folder of the file that contains it; `-` and URLs are unchanged. */
export const Path = (options: UnitOptions) => withUnit<string>("path", options);
/** Per second. */
export const Rate = (options: UnitOptions) => withUnit<number>("rate", options);
