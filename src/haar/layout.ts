import type { Cascade } from "./cascade.js";
import type { Corner } from "./features.js";

// Sizes shared with the kernel (src/haar/kernel/index.ts).
/** Pixels from one strip to the next: 256 windows or 128, in whole words of 64 bits. */
export const STRIP = 256;
/** Bytes from a parameter block to the cascade's data. */
export const PARAMETER_BYTES = 256;
/** Raw windows of one scale to keep; more than any real picture yields. */
export const MAX_FOUND = 1 << 16;
/** Window rows between moves of the integral images' last rows to the top of their memory. */
const ROWS_BETWEEN_MOVES = 64;

/** Window rows whose later stages run together. */
export const ROWS_TOGETHER = 16;
const ENTRY_BYTES = 32;
/** Bytes of the norm factors of one row of a strip's windows: a block of 8 may start at the last one. */
export const FACTORS_BYTES = (STRIP + 8) * 4;

export type Step = 1 | 2;

/**
 * How the integral images of a strip are laid out in memory: the same for every picture, so that code compiled for a
 * cascade can contain these offsets. If windows are 2 pixels apart, even columns come before odd ones, so that the
 * corners of neighbouring windows are adjacent.
 */
export interface Geometry {
  /** Bytes of the adjacent columns in one row, by step; twice as many for squares. */
  readonly plane: readonly [number, number];
  /** Number of rows that fit. */
  readonly rows: number;
  /** Bytes of an integral image. */
  readonly bytes: number;
}

export function geometryOf(cascade: Pick<Cascade, "width" | "height">): Geometry {
  const planeOf = (step: Step) => {
    const columns = STRIP - step + cascade.width + 1;
    // 24 more: rows are produced 16 pixels at a time, and a block of 8 windows may start at the last one.
    return (Math.ceil(columns / step) * 2 + 48 + 15) & ~15;
  };
  const plane: [number, number] = [planeOf(1), planeOf(2)];
  const rows = cascade.height + 1 + ROWS_BETWEEN_MOVES;
  return { plane, rows, bytes: (rows * Math.max(plane[0], 2 * plane[1]) + 63) & ~63 };
}

/** Where a corner is: bytes from the position of its window's first pixel. */
export function placeOf(geometry: Geometry, step: Step, { x, y, tilted }: Corner): number {
  const plane = geometry.plane[step - 1] ?? 0;
  const column = (x % step) * plane + Math.floor(x / step) * 2;
  return (tilted ? geometry.bytes : 0) + y * step * plane + column;
}

/** The largest picture that fits a scratch region. */
export interface Capacity {
  readonly width: number;
  readonly height: number;
}

export const NO_CAPACITY: Capacity = { width: 0, height: 0 };

/** The capacity that fits `have` and one more picture; `have` itself if it already does. */
export function withPicture(have: Capacity, { width, height }: Capacity): Capacity {
  if (width <= have.width && height <= have.height) return have;
  return { width: Math.max(width, have.width), height: Math.max(height, have.height) };
}

/** Where everything is in a worker's scratch region, as absolute addresses. */
export interface Layout {
  readonly parameters: number;
  /** The cascade's data, `PARAMETER_BYTES` after `parameters`. */
  readonly data: number;
  readonly columns: number;
  readonly blend: number;
  readonly pixels: number;
  readonly pixelsBytes: number;
  readonly linesTilted: number;
  readonly line: number;
  readonly enter: number;
  readonly states: number;
  readonly factors: number;
  readonly list: number;
  readonly out: number;
  readonly sum: number;
  /** Right after `sum`. */
  readonly tilted: number;
  readonly sq: number;
  readonly bytes: number;
}

/** Lays out a scratch region at `base`, with `dataBytes` for the cascade's data. */
export function layOut(
  cascade: Pick<Cascade, "width" | "height" | "hasTilted">,
  dataBytes: number,
  capacity: Capacity,
  base = 0,
): Layout {
  const geometry = geometryOf(cascade);
  let next = base;
  const take = (bytes: number): number => {
    const at = next;
    next += (bytes + 63) & ~63;
    return at;
  };
  const columns = STRIP - 1 + cascade.width;
  const pixelsBytes = (columns + 15) & ~15;
  const strips = Math.ceil(capacity.width / STRIP);
  const line = (columns + 33) * 4;
  const layout = {
    parameters: take(PARAMETER_BYTES),
    data: take(dataBytes),
    columns: take((capacity.width + 32) * 8),
    blend: take((capacity.width + 32) * 2),
    pixels: take(strips * (capacity.height + 1) * pixelsBytes),
    pixelsBytes,
    linesTilted: take(3 * line),
    line,
    enter: take(capacity.height),
    states: take(2 * (STRIP / 8)),
    factors: take(ROWS_TOGETHER * FACTORS_BYTES),
    list: take((STRIP / 64) * ROWS_TOGETHER * ENTRY_BYTES),
    out: take(MAX_FOUND * 8),
    sum: take(geometry.bytes),
    tilted: cascade.hasTilted ? take(geometry.bytes) : 0,
    sq: take(2 * geometry.bytes),
  };
  return { ...layout, bytes: next - base };
}
