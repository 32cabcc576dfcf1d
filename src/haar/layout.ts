import type { Cascade } from "./cascade.js";
import type { Scale } from "./scales.js";

// Byte sizes and words that the kernel (src/haar/kernel/index.ts) shares.
export const NODE_BYTES = 80;
export const FAST_BYTES = 48;
export const STAGE_BYTES = 32;
const PARAMETER_BYTES = 192;
/** Raw windows of one scale that are kept; more than any real picture gives. */
export const MAX_FOUND = 1 << 16;

/** The largest scaled picture of each window step that a scratch region has room for. */
export interface Capacity {
  /** Widest source picture. */
  readonly source: number;
  /** Per step, 1 and 2. */
  readonly width: readonly [number, number];
  readonly height: readonly [number, number];
}

export const NO_CAPACITY: Capacity = { source: 0, width: [0, 0], height: [0, 0] };

/** The capacity that holds `have` and one more scan; `have` itself when it already does. */
export function withScan(have: Capacity, sourceWidth: number, scales: readonly Scale[]): Capacity {
  const width: [number, number] = [...have.width];
  const height: [number, number] = [...have.height];
  for (const scale of scales) {
    const i = scale.step - 1;
    width[i] = Math.max(width[i] ?? 0, scale.width);
    height[i] = Math.max(height[i] ?? 0, scale.height);
  }
  const source = Math.max(have.source, sourceWidth);
  const same =
    source === have.source &&
    width.every((w, i) => w === have.width[i]) &&
    height.every((h, i) => h === have.height[i]);
  return same ? have : { source, width, height };
}

/** Where everything lies in a worker's scratch region, as absolute addresses. */
export interface Layout {
  readonly parameters: number;
  readonly stages: number;
  readonly trees: number;
  readonly leaves: number;
  /** Node tables by step and parity. */
  readonly nodes: readonly [readonly [number, number], readonly [number, number]];
  readonly fast: readonly [readonly [number, number], readonly [number, number]];
  /** Bytes of a plane and of a row of the dealt-out integral, by step. */
  readonly plane: readonly [number, number];
  readonly row: readonly [number, number];
  readonly xofs: number;
  readonly xcoef: number;
  readonly blend: number;
  readonly line: number;
  readonly lineSum: number;
  readonly lineSq: number;
  readonly lineTilted: number;
  readonly pixels: number;
  readonly half: number;
  readonly codes: number;
  readonly factors: number;
  readonly visited: number;
  readonly out: number;
  readonly sum: number;
  readonly sq: number;
  readonly tilted: number;
  readonly bytes: number;
}

/** Lays out a scratch region at `base`. */
export function layOut(cascade: Cascade, capacity: Capacity, base = 0): Layout {
  let next = base;
  const take = (bytes: number): number => {
    const at = next;
    next += (bytes + 63) & ~63;
    return at;
  };
  const widest = Math.max(...capacity.width);
  const plane = planeBytes(capacity);
  const row: [number, number] = [2 * plane[0], 4 * plane[1]];
  const picture = Math.max((capacity.height[0] + 2) * row[0], (capacity.height[1] + 2) * row[1]) + 1024;
  const line = (widest + 64) * 4;
  const half = ((widest >> 5) + 2) * 16;
  const table = cascade.nodeFeature.length * NODE_BYTES;
  const fast = cascade.stumps ? cascade.nodeFeature.length * FAST_BYTES : 0;
  const layout = {
    parameters: take(PARAMETER_BYTES),
    stages: take(cascade.stageThreshold.length * STAGE_BYTES),
    trees: take(cascade.treeFirst.length * 8),
    leaves: take(cascade.leaves.length * 4),
    nodes: [
      [take(table), take(table)],
      [take(table), take(table)],
    ] as const,
    fast: [
      [take(fast), take(fast)],
      [take(fast), take(fast)],
    ] as const,
    plane,
    row,
    xofs: take(line),
    xcoef: take(line),
    blend: take((capacity.source + 32) * 2),
    line,
    lineSum: take(line),
    lineSq: take(line),
    lineTilted: take(3 * line),
    pixels: take(2 * line),
    half,
    codes: take(half),
    factors: take(8 * half),
    visited: take(half),
    out: take(MAX_FOUND * 8),
    sum: take(picture),
    sq: take(picture),
    tilted: cascade.hasTilted ? take(picture) : 0,
  };
  return { ...layout, bytes: next - base };
}

/** 24 elements more than a plane needs: 8 windows are read at a time, and corners lie to their right. */
function planeBytes(capacity: Capacity): [number, number] {
  const bytes = (columns: number, planes: number) =>
    (((Math.ceil(columns / planes) + 24) * 4 + 15) & ~15) + 16;
  return [bytes(capacity.width[0] + 1, 2), bytes(capacity.width[1] + 1, 4)];
}

/** Writes a cascade's tables into a fresh scratch region. */
export function writeTables(memory: ArrayBufferLike, cascade: Cascade, layout: Layout): void {
  const i32 = new Int32Array(memory);
  const f32 = new Float32Array(memory);
  writeStages(i32, f32, cascade, layout);
  f32.set(cascade.leaves, layout.leaves >> 2);
  for (let t = 0; t + 1 < cascade.treeFirst.length; t++) {
    const first = cascade.treeFirst[t] ?? 0;
    i32[(layout.trees >> 2) + 2 * t] = first;
    i32[(layout.trees >> 2) + 2 * t + 1] = first + t; // a tree has one leaf more than nodes
  }
  const shapes = Array.from(cascade.nodeFeature, (feature) => shapeOf(cascade, feature));
  const order = nodeOrder(cascade, shapes);
  if (cascade.stumps) writeShapeCounts(i32, f32, cascade, shapes, layout);
  for (const step of [1, 2] as const)
    for (const parity of [0, 1] as const) {
      const place = { layout, step, parity };
      writeNodes(i32, f32, cascade, order, place);
      if (cascade.stumps) writeFast(i32, f32, cascade, order, shapes, place);
    }
}

interface Place {
  readonly layout: Layout;
  readonly step: 1 | 2;
  readonly parity: 0 | 1;
}

function writeStages(i32: Int32Array, f32: Float32Array, cascade: Cascade, layout: Layout): void {
  for (let s = 0; s < cascade.stageThreshold.length; s++) {
    const at = (layout.stages + STAGE_BYTES * s) >> 2;
    const first = cascade.stageFirst[s] ?? 0;
    const end = cascade.stageFirst[s + 1] ?? 0;
    let size = 0;
    for (let t = first; t < end; t++) size += 2 * Math.max(...leavesOf(cascade, t).map(Math.abs));
    i32[at] = first; // of a stump cascade trees and nodes count alike
    i32[at + 1] = end - first;
    f32[at + 2] = cascade.stageThreshold[s] ?? 0;
    // Summing n values in single precision errs by less than n * 2^-24 of the sum of their sizes.
    f32[at + 3] = (end - first + 2) * 2 ** -23 * (size + Math.abs(cascade.stageThreshold[s] ?? 0)) + 1e-6;
  }
}

function leavesOf(cascade: Cascade, tree: number): number[] {
  const first = (cascade.treeFirst[tree] ?? 0) + tree;
  const end = (cascade.treeFirst[tree + 1] ?? 0) + tree + 1;
  return [...cascade.leaves.subarray(first, end)];
}

/** A feature's corners with what they count for, those that rectangles share merged, in the order the kernel reads. */
interface Shape {
  readonly kind: "edge" | "line" | "other";
  readonly corners: readonly (readonly [number, number])[];
}

function shapeOf(cascade: Cascade, feature: number): Shape {
  const other: Shape = { kind: "other", corners: [] };
  if (cascade.tilted[feature]) return other;
  const counts = new Map<number, number>();
  for (let r = 0; r < 3; r++) {
    const weight = cascade.weights[3 * feature + r] ?? 0;
    const [x = 0, y = 0, w = 0, h = 0] = cascade.rects.subarray(12 * feature + 4 * r);
    const add = (column: number, line: number, sign: number) => {
      const key = line * 65536 + column;
      counts.set(key, (counts.get(key) ?? 0) + sign * weight);
    };
    add(x, y, 1);
    add(x + w, y, -1);
    add(x, y + h, -1);
    add(x + w, y + h, 1);
  }
  const of = (count: number) =>
    [...counts]
      .filter(([, c]) => c === count)
      .map(([key]) => [key % 65536, Math.floor(key / 65536)] as const);
  const interleaved = (more: number) => {
    const plus = [...of(more), ...of(1)];
    const minus = [...of(-more), ...of(-1)];
    return plus.flatMap((corner, i) => [corner, minus[i] ?? corner]);
  };
  const used = [...counts.values()].filter((count) => count !== 0).length;
  const tally = (count: number) => of(count).length;
  if (used === 6 && tally(2) === 1 && tally(-2) === 1 && tally(1) === 2 && tally(-1) === 2)
    return { kind: "edge", corners: interleaved(2) };
  if (used === 8 && tally(3) === 2 && tally(-3) === 2 && tally(1) === 2 && tally(-1) === 2)
    return { kind: "line", corners: interleaved(3) };
  return other;
}

/**
 * The order in which nodes are laid out. Stumps of a stage may be summed in any order: they are grouped by shape, and
 * in a group those that weigh most come first, so that hopeless windows are given up early.
 */
function nodeOrder(cascade: Cascade, shapes: readonly Shape[]): Int32Array {
  const order = Int32Array.from(cascade.nodeFeature, (_, i) => i);
  if (!cascade.stumps) return order;
  const rank = { edge: 0, line: 1, other: 2 };
  const shape = (node: number) => rank[shapes[node]?.kind ?? "other"];
  const spread = (node: number) => {
    const [left = 0, right = 0] = leavesOf(cascade, node);
    return Math.abs(left - right);
  };
  for (let s = 0; s < cascade.stageThreshold.length; s++)
    order
      .subarray(cascade.stageFirst[s], cascade.stageFirst[s + 1])
      .sort((a, b) => shape(a) - shape(b) || spread(b) - spread(a));
  return order;
}

function writeShapeCounts(
  i32: Int32Array,
  f32: Float32Array,
  cascade: Cascade,
  shapes: readonly Shape[],
  layout: Layout,
): void {
  for (let s = 0; s < cascade.stageThreshold.length; s++) {
    const at = (layout.stages + STAGE_BYTES * s) >> 2;
    const [first = 0, end = 0] = [cascade.stageFirst[s], cascade.stageFirst[s + 1]];
    const here = shapes.slice(first, end);
    i32[at + 4] = here.filter(({ kind }) => kind === "edge").length;
    i32[at + 5] = here.filter(({ kind }) => kind === "line").length;
    let right = 0;
    for (let n = first; n < end; n++) right += leavesOf(cascade, n)[1] ?? 0;
    f32[at + 6] = right;
  }
}

function writeNodes(
  i32: Int32Array,
  f32: Float32Array,
  cascade: Cascade,
  order: Int32Array,
  place: Place,
): void {
  const base = (place.layout.nodes[place.step - 1]?.[place.parity] ?? 0) >> 2;
  for (let n = 0; n < order.length; n++) {
    const node = order[n] ?? 0;
    const feature = cascade.nodeFeature[node] ?? 0;
    const at = base + (NODE_BYTES >> 2) * n;
    for (let r = 0; r < 3; r++) {
      i32.set(rectCorners(cascade, feature, r, place), at + 4 * r);
      f32[at + 12 + r] = cascade.weights[3 * feature + r] ?? 0;
    }
    f32[at + 15] = cascade.nodeThreshold[node] ?? 0;
    if (cascade.stumps) {
      const [left = 0, right = 0] = leavesOf(cascade, node);
      f32[at + 16] = left;
      f32[at + 17] = right;
    } else {
      i32[at + 16] = cascade.nodeLeft[node] ?? 0;
      i32[at + 17] = cascade.nodeRight[node] ?? 0;
    }
  }
}

function writeFast(
  i32: Int32Array,
  f32: Float32Array,
  cascade: Cascade,
  order: Int32Array,
  shapes: readonly Shape[],
  place: Place,
): void {
  const { layout, step, parity } = place;
  const base = (layout.fast[step - 1]?.[parity] ?? 0) >> 2;
  for (let s = 0; s < cascade.stageThreshold.length; s++) {
    let rest = 0; // what the stumps after this one can still add
    for (let n = (cascade.stageFirst[s + 1] ?? 0) - 1; n >= (cascade.stageFirst[s] ?? 0); n--) {
      const node = order[n] ?? 0;
      const at = base + (FAST_BYTES >> 2) * n;
      const [left = 0, right = 0] = leavesOf(cascade, node);
      const corners = shapes[node]?.corners ?? [];
      i32.set(
        corners.map(([x, y]) => cornerOffset(layout, step, parity, x, y)),
        at,
      );
      f32[at + 8] = cascade.nodeThreshold[node] ?? 0;
      f32[at + 9] = left - right;
      f32[at + 10] = rest;
      rest += Math.max(0, left - right);
    }
  }
}

/** Offsets of a rectangle's four corners (OpenCV's CV_SUM_OFS and CV_TILTED_OFS) from a window's place in its plane. */
function rectCorners(
  cascade: Cascade,
  feature: number,
  rect: number,
  { layout, step, parity }: Place,
): [number, number, number, number] {
  const [x = 0, y = 0, w = 0, h = 0] = cascade.rects.subarray(12 * feature + 4 * rect);
  const at = (column: number, line: number) => cornerOffset(layout, step, parity, column, line);
  if (!cascade.tilted[feature]) return [at(x, y), at(x + w, y), at(x, y + h), at(x + w, y + h)];
  const far = layout.tilted - layout.sum;
  return [far + at(x, y), far + at(x - h, y + h), far + at(x + w, y + w), far + at(x + w - h, y + w + h)];
}

/** Byte offset of a point of the window, from the window's place in the first plane of its row. */
export function cornerOffset(
  layout: Layout,
  step: 1 | 2,
  parity: 0 | 1,
  column: number,
  line: number,
): number {
  const planes = 2 * step;
  const c = column + step * parity;
  const plane = layout.plane[step - 1] ?? 0;
  const row = layout.row[step - 1] ?? 0;
  return (c % planes) * plane + Math.floor(c / planes) * 4 + line * row;
}
