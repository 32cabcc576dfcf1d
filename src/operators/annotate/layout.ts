import type { Box } from "../../media/frame.js";

export type Rectangle = Box;

/**
 * Where a face's plate goes: above its box, else below, else inside at the top or the bottom; within the picture, and
 * not over an earlier plate if possible.
 */
export function layOut(
  box: Rectangle,
  { width, height }: { width: number; height: number },
  gap: number,
  picture: { width: number; height: number },
  taken: readonly Rectangle[],
): Rectangle {
  const x = Math.max(0, Math.min(box.x, 2 * Math.floor((picture.width - width) / 2)));
  const bottom = box.y + box.height;
  const heights = [box.y - gap - height, bottom + gap, box.y + 2 * gap, bottom - 2 * gap - height];
  const places = heights.map((y) => ({ x, y, width, height }));
  const within = places.filter(({ y }) => y >= 0 && y + height <= picture.height);
  const free = within.find((place) => !taken.some((other) => overlap(place, other)));
  return free ?? within[0] ?? { x, y: Math.max(0, box.y), width, height };
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
