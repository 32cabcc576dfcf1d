/** A length in a frame: pixels, or percent of the frame's smaller side. */
export interface Length {
  readonly unit: "px" | "%";
  readonly value: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const BYTES = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;

/** Parses `400ms`, `1.5s` or a bare number as milliseconds; undefined if invalid. */
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

/** A length in pixels for a frame of this size, rounded. */
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
  if (typeof value === "number") return Number.isFinite(value) && value > 0 ? value : undefined;
  const match = /^(\d+(?:\.\d+)?)(?:\/(\d+))?$/.exec(String(value));
  if (!match) return undefined;
  const rate = Number(match[1]) / Number(match[2] ?? 1);
  return Number.isFinite(rate) && rate > 0 ? rate : undefined;
}
