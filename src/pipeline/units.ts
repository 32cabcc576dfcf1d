import { Type } from "typebox";

/**
 * Options with a unit. In YAML they are written with it (`400ms`, `8%`, `1280x720`, `10MB`); the loader replaces
 * them once, at the edge, by what the static type says. `x-unit` marks them for the loader and for editors.
 */
export type Unit = "duration" | "length" | "size" | "bytes" | "path" | "rate";

/** A length on a picture: pixels, or percent of the frame's smaller side. */
export interface Length {
  readonly unit: "px" | "%";
  readonly value: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

interface UnitOptions {
  description: string;
  /** As written in YAML, e.g. `400ms`. */
  default?: string | number;
  examples?: readonly (string | number)[];
}

const PATTERNS = {
  duration: "^\\d+(\\.\\d+)?(ms|s|m|h|d)$",
  length: "^(\\d+(\\.\\d+)?px|(100|\\d{1,2}(\\.\\d+)?)%)$",
  size: "^[1-9]\\d{0,3}x[1-9]\\d{0,3}$",
  bytes: "^\\d+(\\.\\d+)?(B|kB|KB|MB|GB|KiB|MiB|GiB)$",
  path: "^[^\\0]+$",
  rate: "^\\d+(\\.\\d+)?(/\\d+)?$",
} as const;

/** What to say when a value does not fit. */
export const UNIT_FORMS: Record<Unit, string> = {
  duration: "a duration such as 400ms, 2s, 5m or 1h (a bare number is milliseconds)",
  length:
    "a length such as 80px, or up to 100% of the frame's smaller side such as 8% (a bare number is pixels)",
  size: "a size such as 1280x720, up to 9999x9999",
  bytes: "a size in bytes such as 500kB, 10MB or 1GiB (a bare number is bytes)",
  path: "a path, relative to the pipeline file",
  rate: "a rate such as 15, 29.97 or 30000/1001",
};

function withUnit<T>(unit: Unit, options: UnitOptions) {
  const bare = unit === "size" || unit === "path" ? [] : [{ type: "number", minimum: 0 }];
  const text = { type: "string", pattern: PATTERNS[unit] };
  return Type.Unsafe<T>({ "x-unit": unit, anyOf: [text, ...bare], ...options });
}

/** Milliseconds. */
export const Duration = (options: UnitOptions) => withUnit<number>("duration", options);
export const Length = (options: UnitOptions) => withUnit<Length>("length", options);
export const Size = (options: UnitOptions) => withUnit<Size>("size", options);
/** Bytes. */
export const Bytes = (options: UnitOptions) => withUnit<number>("bytes", options);
/** An absolute path (`-` and URLs stay as they are), resolved against the folder of the file that names it. */
export const Path = (options: UnitOptions) => withUnit<string>("path", options);
/** Per second. */
export const Rate = (options: UnitOptions) => withUnit<number>("rate", options);

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** Milliseconds in `400ms`, `1.5s`, or a bare number; undefined when it is none. */
export function parseDuration(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value : undefined;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(value));
  return match?.[2] ? Number(match[1]) * MS[match[2] as keyof typeof MS] : undefined;
}

export function parseLength(value: unknown): Length | undefined {
  if (typeof value === "number")
    return Number.isFinite(value) && value >= 0 ? { unit: "px", value } : undefined;
  const match = /^(\d+(?:\.\d+)?)(px|%)$/.exec(String(value));
  return match?.[2] ? { unit: match[2] as Length["unit"], value: Number(match[1]) } : undefined;
}

/** Pixels that a length means on a frame of this size, rounded. */
export function pixelsOf(length: Length, width: number, height: number): number {
  return Math.round(length.unit === "px" ? length.value : (length.value / 100) * Math.min(width, height));
}

export function parseSize(value: unknown): Size | undefined {
  const match = /^([1-9]\d*)x([1-9]\d*)$/.exec(String(value));
  return match ? { width: Number(match[1]), height: Number(match[2]) } : undefined;
}

export function parseBytes(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) && value >= 0 ? value : undefined;
  const match = /^(\d+(?:\.\d+)?)(B|kB|KB|MB|GB|KiB|MiB|GiB)$/.exec(String(value));
  return match?.[2] ? Math.round(Number(match[1]) * BYTES[match[2] as keyof typeof BYTES]) : undefined;
}

export function parseRate(value: unknown): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(?:\/(\d+))?$/.exec(String(value));
  if (!match) return undefined;
  const rate = Number(match[1]) / Number(match[2] ?? 1);
  return Number.isFinite(rate) && rate > 0 ? rate : undefined;
}
