import type { Cascade } from "./cascade.js";
import type { Corner } from "./features.js";

// Sizes that the kernel (src/haar/kernel/index.ts) shares.
/** Windows of one parity in a strip. */
export const TILE = 128;
const BLOCKS = TILE / 8;
/** From a parameter block to the cascade's data. */
export const PARAMETER_BYTES = 256;
/** Raw windows of one scale that are kept; more than any real picture gives. */
export const MAX_FOUND = 1 << 16;
/** Window rows between moves of the integral images' last rows to the top of their memory. */
const ROWS_BETWEEN_MOVES = 64;

/** Window rows whose later stages are run together. */
export const ROWS_TOGETHER = 16;
const ENTRY_BYTES = 64;

export type Step = 1 | 2;

/**
 * How the integral images of a strip lie in memory: the same for every picture, so that code compiled for a cascade
 * holds these offsets. Columns are dealt out to `2 * step` planes, column c to plane c mod `2 * step`: then windows
 * of one parity, those that the walk visits together, find their corners side by side.
 */
export interface Geometry {
  /** Bytes of a plane of one row, by step; of squares twice as many. */
  readonly plane: readonly [number, number];
  /** Rows there is room for. */
  readonly rows: number;
  /** Bytes of an integral image. */
  readonly bytes: number;
}

export function geometryOf(cascade: Pick<Cascade, "width" | "height">): Geometry {
  const planeOf = (step: Step) => {
    const columns = (2 * TILE - 1) * step + cascade.width + 1;
    // 24 more: rows are made 32 pixels at a time, and corners lie to the right of the last 8 windows.
    return (Math.ceil(columns / (2 * step)) * 2 + 48 + 15) & ~15;
  };
  const plane: [number, number] = [planeOf(1), planeOf(2)];
  const rows = cascade.height + 1 + ROWS_BETWEEN_MOVES;
  return { plane, rows, bytes: (rows * Math.max(2 * plane[0], 4 * plane[1]) + 63) & ~63 };
}

/** Where a corner lies: bytes from one of two addresses, those of the window in the first and second half of the planes. */
export function placeOf(
  geometry: Geometry,
  step: Step,
  { x, y, tilted }: Corner,
): { half: 0 | 1; offset: number } {
  const planes = 2 * step;
  const plane = x % planes;
  const bytes = geometry.plane[step - 1] ?? 0;
  return {
    half: plane < step ? 0 : 1,
    offset:
      (tilted ? geometry.bytes : 0) +
      y * planes * bytes +
      (plane % step) * bytes +
      Math.floor(x / planes) * 2,
  };
}

/** The largest picture that a scratch region has room for. */
export interface Capacity {
  readonly width: number;
  readonly height: number;
}

export const NO_CAPACITY: Capacity = { width: 0, height: 0 };

/** The capacity that holds `have` and one more picture; `have` itself when it already does. */
export function withPicture(have: Capacity, { width, height }: Capacity): Capacity {
  if (width <= have.width && height <= have.height) return have;
  return { width: Math.max(width, have.width), height: Math.max(height, have.height) };
}

/** Where everything lies in a worker's scratch region, as absolute addresses. */
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
  readonly visited: number;
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
  const columns = (2 * TILE - 1) * 2 + cascade.width;
  const pixelsBytes = (columns + 63) & ~31;
  const line = (columns + 33) * 4;
  const layout = {
    parameters: take(PARAMETER_BYTES),
    data: take(dataBytes),
    columns: take((columns + 32) * 8),
    blend: take((capacity.width + 32) * 2),
    pixels: take(2 * pixelsBytes),
    pixelsBytes,
    linesTilted: take(3 * line),
    line,
    enter: take(capacity.height),
    states: take(6 * BLOCKS),
    visited: take(2 * BLOCKS),
    factors: take(2 * TILE * 4),
    list: take(2 * BLOCKS * ROWS_TOGETHER * ENTRY_BYTES),
    out: take(MAX_FOUND * 8),
    sum: take(geometry.bytes),
    tilted: cascade.hasTilted ? take(geometry.bytes) : 0,
    sq: take(2 * geometry.bytes),
  };
  return { ...layout, bytes: next - base };
}
