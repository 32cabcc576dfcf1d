import type { Box } from "../media/frame.js";

/** Intersection over union, 0 to 1. */
export function iou(a: Box, b: Box): number {
  const both = intersection(a, b);
  return both === 0 ? 0 : both / (a.width * a.height + b.width * b.height - both);
}

/** Fraction of the smaller box that lies inside the larger, 0 to 1. */
export function covered(a: Box, b: Box): number {
  const both = intersection(a, b);
  return both === 0 ? 0 : both / Math.min(a.width * a.height, b.width * b.height);
}

/** Pixels in both boxes. */
function intersection(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return Math.max(0, width) * Math.max(0, height);
}

/** The box grown by `fraction` of its size on each side, in whole pixels, clipped to the frame. */
export function grown(box: Box, fraction: number, frame: { width: number; height: number }): Box {
  const x = Math.max(0, Math.floor(box.x - box.width * fraction));
  const y = Math.max(0, Math.floor(box.y - box.height * fraction));
  const right = Math.min(frame.width, Math.ceil(box.x + box.width * (1 + fraction)));
  const bottom = Math.min(frame.height, Math.ceil(box.y + box.height * (1 + fraction)));
  return { x, y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
}
