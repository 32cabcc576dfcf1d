import type { Cascade } from "./cascade.js";

/** A point of an integral image, in pixels from the window's corner. */
export interface Corner {
  readonly x: number;
  readonly y: number;
  /** Whether it is in the tilted integral image. */
  readonly tilted: boolean;
}

/** The corners of a rectangle whose sum is first - second - third + fourth and fits 16 bits. */
export type Piece = readonly [Corner, Corner, Corner, Corner];

/** A Haar feature, in the two forms that the kernel computes. */
export interface Feature {
  /** Its rectangles, each as adjacent pieces, and their weights. */
  readonly rectangles: readonly { readonly weight: number; readonly pieces: readonly Piece[] }[];
  /**
   * The same value as a sum of parts: corners and how often each counts, with shared corners of rectangles merged. A
   * part's value always fits a signed 16-bit number, so that arithmetic modulo 65536 gives the exact value. Absent if
   * weights are not integers, or if tilted rectangles would have to be cut.
   */
  readonly parts: readonly Part[] | undefined;
}

/** Corners with the same count, either added or subtracted. */
interface Corners {
  readonly count: number;
  readonly added: readonly Corner[];
  readonly subtracted: readonly Corner[];
}

/** Highest counts first. */
export type Part = readonly Corners[];

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly weight: number;
}

const MAX_PIXEL = 255;
const MAX_PIECE = Math.floor(65535 / MAX_PIXEL); // pixels
/** Up to this value, single precision, in which OpenCV adds a feature's rectangles, represents every integer. */
const MAX_EXACT = 2 ** 24;

export function featureOf(cascade: Cascade, index: number): Feature {
  const tilted = cascade.tilted[index] === 1;
  const all = [0, 1, 2].map((r): Rectangle => {
    const [x = 0, y = 0, width = 0, height = 0] = cascade.rects.subarray(12 * index + 4 * r);
    return { x, y, width, height, weight: cascade.weights[3 * index + r] ?? 0 };
  });
  const used = all.filter(({ weight }) => weight !== 0);
  const rectangles = used.map((rectangle) => ({
    weight: rectangle.weight,
    pieces: tilted ? tiltedPieces(rectangle) : uprightPieces(rectangle),
  }));
  const whole = used.every(({ weight }) => Number.isInteger(weight));
  const exact =
    used.reduce((sum, r) => sum + 2 * Math.abs(r.weight) * r.width * r.height, 0) < MAX_EXACT / MAX_PIXEL;
  if (!whole || !exact) return { rectangles, parts: undefined };
  if (!tilted) return { rectangles, parts: uprightParts(used) };
  return { rectangles, parts: fits(mostOfTilted(used)) ? [mergeCorners(rectangles)] : undefined };
}

const fits = (most: number) => MAX_PIXEL * most <= 32767;

/** Cuts a feature in two until its parts fit, wherever that leaves the fewest corners or comes closest to fitting. */
function uprightParts(rectangles: readonly Rectangle[]): Part[] {
  if (fits(mostOfUpright(rectangles)))
    return [mergeCorners(rectangles.map((r) => ({ weight: r.weight, pieces: uprightPieces(r) })))];
  let best: { halves: Rectangle[][]; most: number; corners: number } | undefined;
  for (const axis of ["x", "y"] as const)
    for (const at of between(rectangles, axis)) {
      const halves = cut(rectangles, axis, at);
      const most = Math.max(...halves.map(mostOfUpright));
      const corners = halves.reduce((sum, half) => sum + cornersOf(half), 0);
      const closer = !best || (fits(best.most) ? fits(most) && corners < best.corners : most < best.most);
      if (closer) best = { halves, most, corners };
    }
  return best ? best.halves.flatMap(uprightParts) : [];
}

/** Lines to cut rectangles along: their own edges, and the middle of them all. */
function between(rectangles: readonly Rectangle[], axis: "x" | "y"): number[] {
  const side = axis === "x" ? "width" : "height";
  const edges = rectangles.flatMap((r) => [r[axis], r[axis] + r[side]]);
  const [first, last] = [Math.min(...edges), Math.max(...edges)];
  return [...new Set([(first + last) >> 1, ...edges])].filter((at) => first < at && at < last);
}

function cut(rectangles: readonly Rectangle[], axis: "x" | "y", at: number): Rectangle[][] {
  const side = axis === "x" ? "width" : "height";
  const within = (from: number, to: number) =>
    rectangles.flatMap((r) => {
      const start = Math.max(r[axis], from);
      const length = Math.min(r[axis] + r[side], to) - start;
      return length > 0 ? [{ ...r, [axis]: start, [side]: length }] : [];
    });
  return [within(0, at), within(at, Number.POSITIVE_INFINITY)];
}

const cornersOf = (rectangles: readonly Rectangle[]) =>
  mergeCorners(rectangles.map((r) => ({ weight: r.weight, pieces: uprightPieces(r) }))).reduce(
    (sum, { added, subtracted }) => sum + added.length + subtracted.length,
    0,
  );

/** Cuts a rectangle into strips of at most 257 pixels. */
export function uprightPieces({ x, y, width, height }: Omit<Rectangle, "weight">): Piece[] {
  if (width * height > MAX_PIECE) {
    const [w, h] = height > 1 ? [width, height >> 1] : [width >> 1, height];
    const rest =
      h < height ? { x, y: y + h, width, height: height - h } : { x: x + w, y, width: width - w, height };
    return [...uprightPieces({ x, y, width: w, height: h }), ...uprightPieces(rest)];
  }
  const at = (column: number, line: number): Corner => ({ x: column, y: line, tilted: false });
  return [[at(x, y), at(x + width, y), at(x, y + height), at(x + width, y + height)]];
}

/**
 * The same for a rectangle that stands on its corner (x, y), extending `width` down to the right and `height` down to
 * the left.
 */
function tiltedPieces({ x, y, width, height }: Omit<Rectangle, "weight">): Piece[] {
  if (2 * width * height > MAX_PIECE) {
    const [w, h] = width > height ? [width >> 1, height] : [width, height >> 1];
    const rest =
      w < width
        ? { x: x + w, y: y + w, width: width - w, height }
        : { x: x - h, y: y + h, width, height: height - h };
    return [...tiltedPieces({ x, y, width: w, height: h }), ...tiltedPieces(rest)];
  }
  const at = (column: number, line: number): Corner => ({ x: column, y: line, tilted: true });
  return [
    [
      at(x, y),
      at(x - height, y + height),
      at(x + width, y + width),
      at(x + width - height, y + width + height),
    ],
  ];
}

/** The most that pixels of value 1 can add up to, in either direction. */
function mostOfUpright(rectangles: readonly Rectangle[]): number {
  const edges = (of: (r: Rectangle) => number[]) =>
    [...new Set(rectangles.flatMap(of))].sort((a, b) => a - b);
  const xs = edges(({ x, width }) => [x, x + width]);
  const ys = edges(({ y, height }) => [y, y + height]);
  let [positive, negative] = [0, 0];
  for (const [i, left] of xs.slice(0, -1).entries())
    for (const [j, top] of ys.slice(0, -1).entries()) {
      const covering = rectangles.filter(
        ({ x, y, width, height }) => x <= left && left < x + width && y <= top && top < y + height,
      );
      const weight = covering.reduce((sum, rectangle) => sum + rectangle.weight, 0);
      const area = ((xs[i + 1] ?? left) - left) * ((ys[j + 1] ?? top) - top);
      if (weight > 0) positive += weight * area;
      else negative -= weight * area;
    }
  return Math.max(positive, negative);
}

/** An upper bound of the same. */
function mostOfTilted(rectangles: readonly Rectangle[]): number {
  const most = (sign: 1 | -1) =>
    rectangles.reduce(
      (sum, { width, height, weight }) => sum + Math.max(0, sign * weight * 2 * width * height),
      0,
    );
  return Math.max(most(1), most(-1));
}

function mergeCorners(rectangles: Feature["rectangles"]): Part {
  const merged = new Map<number, { corner: Corner; count: number }>();
  const add = (corner: Corner, weight: number) => {
    const key = corner.x * 65536 + corner.y;
    const known = merged.get(key);
    if (known) known.count += weight;
    else merged.set(key, { corner, count: weight });
  };
  for (const { weight, pieces } of rectangles)
    for (const [a, b, c, d] of pieces) {
      add(a, weight);
      add(b, -weight);
      add(c, -weight);
      add(d, weight);
    }
  const groups = new Map<number, { count: number; added: Corner[]; subtracted: Corner[] }>();
  for (const { corner, count } of merged.values()) {
    if (count === 0) continue;
    const size = Math.abs(count);
    const group = groups.get(size) ?? { count: size, added: [], subtracted: [] };
    groups.set(size, group);
    (count > 0 ? group.added : group.subtracted).push(corner);
  }
  return [...groups.values()].sort((a, b) => b.count - a.count);
}
