import type { Box } from "../media/frame.js";

/** A detected box; `neighbors` is the number of raw windows that agreed on it. */
export interface Detection extends Box {
  readonly neighbors: number;
}

const EPSILON = 0.2; // OpenCV: GROUP_EPS

/**
 * Merges raw windows into boxes, as OpenCV's `groupRectangles(boxes, minNeighbors, 0.2)` does: windows whose edges all
 * lie within a fifth of their size form a class; a class of more than `minNeighbors` windows yields its mean box; small
 * boxes inside better supported ones are dropped. With `minNeighbors` 0 every window is returned.
 */
export function groupBoxes(boxes: readonly Box[], minNeighbors: number): Detection[] {
  if (minNeighbors <= 0) return boxes.map((box) => ({ ...box, neighbors: 1 }));
  const classes = meanBoxes(boxes).filter((mean) => mean.neighbors > minNeighbors);
  return classes.filter((inner) => !classes.some((outer) => outer !== inner && swallows(outer, inner)));
}

function swallows(outer: Detection, inner: Detection): boolean {
  const dx = roundHalfEven(outer.width * EPSILON);
  const dy = roundHalfEven(outer.height * EPSILON);
  return (
    inner.x >= outer.x - dx &&
    inner.y >= outer.y - dy &&
    inner.x + inner.width <= outer.x + outer.width + dx &&
    inner.y + inner.height <= outer.y + outer.height + dy &&
    (outer.neighbors > Math.max(3, inner.neighbors) || inner.neighbors < 3)
  );
}

function similar(a: Box, b: Box): boolean {
  const delta = EPSILON * (Math.min(a.width, b.width) + Math.min(a.height, b.height)) * 0.5;
  return (
    Math.abs(a.x - b.x) <= delta &&
    Math.abs(a.y - b.y) <= delta &&
    Math.abs(a.x + a.width - b.x - b.width) <= delta &&
    Math.abs(a.y + a.height - b.y - b.height) <= delta
  );
}

/** The mean box of each class of the transitive closure of `similar`, in order of first appearance. */
function meanBoxes(boxes: readonly Box[]): Detection[] {
  const parent = boxes.map((_, i) => i);
  const rootOf = (i: number): number => {
    let root = i;
    for (let up = parent[root] ?? root; up !== root; up = parent[root] ?? root) root = up;
    for (let at = i; at !== root; ) {
      const next = parent[at] ?? root;
      parent[at] = root;
      at = next;
    }
    return root;
  };
  for (const [i, a] of boxes.entries())
    for (let j = 0; j < i; j++) {
      const b = boxes[j];
      if (b && similar(a, b)) parent[rootOf(j)] = rootOf(i);
    }
  const sums = new Map<number, { x: number; y: number; width: number; height: number; neighbors: number }>();
  for (const [i, box] of boxes.entries()) {
    const root = rootOf(i);
    const sum = sums.get(root) ?? { x: 0, y: 0, width: 0, height: 0, neighbors: 0 };
    sums.set(root, sum);
    sum.x += box.x;
    sum.y += box.y;
    sum.width += box.width;
    sum.height += box.height;
    sum.neighbors++;
  }
  return [...sums.values()].map((sum) => {
    const scale = Math.fround(1 / sum.neighbors); // OpenCV averages in single precision
    const mean = (total: number) => roundHalfEven(Math.fround(Math.fround(total) * scale));
    return {
      x: mean(sum.x),
      y: mean(sum.y),
      width: mean(sum.width),
      height: mean(sum.height),
      neighbors: sum.neighbors,
    };
  });
}

/** Rounds like OpenCV's `cvRound`: halves go to the even neighbour. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
