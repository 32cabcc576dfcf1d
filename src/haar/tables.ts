import type { Cascade } from "./cascade.js";
import type { Feature, Piece } from "./features.js";
import { type Geometry, placeOf } from "./layout.js";

/** Byte offsets of a cascade's tables in its data. */
export interface Tables {
  readonly stages: number;
  readonly trees: number;
  readonly leaves: number;
  readonly nodes: number;
  /** By step. */
  readonly pieces: readonly [number, number];
}

/**
 * Appends the cascade to `words` as tables, from which the kernel decides what is too close for the compiled code. The
 * records are those of src/haar/kernel/index.ts.
 */
export function writeTables(
  words: number[],
  cascade: Cascade,
  features: readonly Feature[],
  geometry: Geometry,
): Tables {
  const here = () => 4 * words.length;
  const stages = here();
  for (const [s, threshold] of cascade.stageThreshold.entries())
    words.push(cascade.stageFirst[s] ?? 0, cascade.stageFirst[s + 1] ?? 0, bits(threshold));

  const trees = here();
  // A tree has one more leaf than nodes.
  for (const [t, first] of cascade.treeFirst.slice(0, -1).entries()) words.push(first, first + t);

  const leaves = here();
  for (const leaf of cascade.leaves) words.push(bits(leaf));

  const nodes = here();
  const pieces: Piece[] = [];
  for (const [n, threshold] of cascade.nodeThreshold.entries()) {
    const { rectangles } = features[cascade.nodeFeature[n] ?? 0] ?? { rectangles: [] };
    const first = pieces.length;
    const ends = [0, 1, 2].map((r) => pieces.push(...(rectangles[r]?.pieces ?? [])));
    const weights = [0, 1, 2].map((r) => bits(rectangles[r]?.weight ?? 0));
    const links = [cascade.nodeLeft[n] ?? 0, cascade.nodeRight[n] ?? 0];
    words.push(...weights, bits(threshold), ...links, first, ...ends);
  }
  const placed = ([1, 2] as const).map((step) => {
    const at = here();
    for (const piece of pieces) words.push(...piece.map((corner) => placeOf(geometry, step, corner)));
    return at;
  });
  return { stages, trees, leaves, nodes, pieces: [placed[0] ?? 0, placed[1] ?? 0] };
}

const f32 = new Float32Array(1);
const i32 = new Int32Array(f32.buffer);

/** The bits of a single-precision number. */
export function bits(value: number): number {
  f32[0] = value;
  return i32[0] ?? 0;
}
