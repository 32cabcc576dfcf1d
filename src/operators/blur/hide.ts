import type { Box, Frame } from "../../media/frame.js";

export type Style = "pixelate" | "gaussian" | "solid";

/** Squares across a face: too few to recognise anyone. */
const SQUARES = 6;
const LEAST_SQUARE = 8;
/** Radius of each box filter, as a fraction of the shorter side of the hidden area. */
const RADIUS = 1 / 8;
/** Three successive box filters approximate a Gaussian to within 3 % (Wells, 1986). */
const PASSES = 3;
const BLACK = { y: 16, chroma: 128 };

/** One plane of a picture. */
interface Plane {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Part of a plane; `right` and `bottom` are exclusive. */
interface Area {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Hides areas of pictures, in place. */
export class Hider {
  readonly #style: Style;
  /** A row or a column of the area being smoothed. */
  #line = new Uint8Array(0);

  constructor(style: Style) {
    this.#style = style;
  }

  /** Afterwards nothing of the pixels in `boxes` can be recovered, except what the style keeps. */
  hide(frame: Frame, boxes: readonly Box[]): void {
    if (boxes.length === 0) return;
    const { pixels, width, height, format } = frame;
    const luma = { data: pixels.subarray(0, width * height), width, height };
    for (const box of boxes) this.#hidePlane(luma, areaOf(box, luma, 1), 1, BLACK.y);
    if (format === "gray") return;
    const [halfWidth, halfHeight] = [Math.ceil(width / 2), Math.ceil(height / 2)];
    const size = halfWidth * halfHeight;
    for (const start of [width * height, width * height + size]) {
      const plane = { data: pixels.subarray(start, start + size), width: halfWidth, height: halfHeight };
      for (const box of boxes) this.#hidePlane(plane, areaOf(box, plane, 2), 2, BLACK.chroma);
    }
  }

  #hidePlane(plane: Plane, area: Area, scale: number, black: number): void {
    if (area.right <= area.left || area.bottom <= area.top) return;
    if (this.#style === "solid") fill(plane, area, black);
    else if (this.#style === "pixelate") pixelate(plane, area, scale);
    else this.#smooth(plane, area);
  }

  #smooth(plane: Plane, area: Area): void {
    const [across, down] = [area.right - area.left, area.bottom - area.top];
    const radius = Math.max(1, Math.round(Math.min(across, down) * RADIUS));
    if (this.#line.length < Math.max(across, down)) this.#line = new Uint8Array(Math.max(across, down));
    for (let pass = 0; pass < PASSES; pass++) {
      for (let y = area.top; y < area.bottom; y++)
        boxFilter(plane.data, y * plane.width + area.left, 1, across, radius, this.#line);
      for (let x = area.left; x < area.right; x++)
        boxFilter(plane.data, area.top * plane.width + x, plane.width, down, radius, this.#line);
    }
  }
}

/** Every pixel that the box touches, in a plane whose pixels are `scale` wide and high. */
function areaOf({ x, y, width, height }: Box, plane: Plane, scale: number): Area {
  return {
    left: Math.max(0, Math.floor(x / scale)),
    top: Math.max(0, Math.floor(y / scale)),
    right: Math.min(plane.width, Math.ceil((x + width) / scale)),
    bottom: Math.min(plane.height, Math.ceil((y + height) / scale)),
  };
}

function fill({ data, width }: Plane, { left, top, right, bottom }: Area, value: number): void {
  for (let y = top; y < bottom; y++) data.fill(value, y * width + left, y * width + right);
}

function pixelate(plane: Plane, area: Area, scale: number): void {
  const side = Math.max(LEAST_SQUARE / scale, Math.ceil((area.right - area.left) / SQUARES));
  for (let top = area.top; top < area.bottom; top += side)
    for (let left = area.left; left < area.right; left += side) {
      const square = {
        left,
        top,
        right: Math.min(area.right, left + side),
        bottom: Math.min(area.bottom, top + side),
      };
      fill(plane, square, mean(plane, square));
    }
}

function mean({ data, width }: Plane, { left, top, right, bottom }: Area): number {
  let sum = 0;
  for (let y = top; y < bottom; y++)
    for (let at = y * width + left; at < y * width + right; at++) sum += data[at] ?? 0;
  return Math.round(sum / ((right - left) * (bottom - top)));
}

/** The mean of `radius` neighbours on either side, along `count` pixels `step` apart; the ends repeat. */
function boxFilter(
  data: Uint8Array,
  start: number,
  step: number,
  count: number,
  radius: number,
  line: Uint8Array,
): void {
  for (let i = 0; i < count; i++) line[i] = data[start + i * step] ?? 0;
  const [first, last] = [line[0] ?? 0, line[count - 1] ?? 0];
  let sum = first * (radius + 1);
  for (let i = 1; i <= radius; i++) sum += i < count ? (line[i] ?? 0) : last;
  for (let i = 0; i < count; i++) {
    data[start + i * step] = Math.round(sum / (2 * radius + 1));
    const next = i + radius + 1;
    const old = i - radius;
    sum += (next < count ? (line[next] ?? 0) : last) - (old > 0 ? (line[old] ?? 0) : first);
  }
}
