import type { Colour } from "../../events/palette.js";
import { type ColourInfo, lumaWeights } from "../../media/video-info.js";

/** A colour in a recording's own encoding: one byte per plane. */
export interface Paint {
  readonly y: number;
  readonly u: number;
  readonly v: number;
}

// In high dynamic range the brightest code is far brighter than paper: white goes where BT.2408 puts it.
const WHITE: Readonly<Record<number, number>> = { 16: 0.58, 18: 0.75 };

/** The paint that looks like `colour` in pictures of this kind. */
export function paintOf(colour: Colour, info: ColourInfo, height: number): Paint {
  const channel = (at: number) => (Number.parseInt(colour.slice(at, at + 2), 16) / 255) * white;
  const white = WHITE[info.transfer ?? 0] ?? 1;
  const [red, green, blue] = [channel(1), channel(3), channel(5)];
  const [kr, kb] = lumaWeights(info.matrix, height);
  const luma = kr * red + (1 - kr - kb) * green + kb * blue;
  const cb = (blue - luma) / (2 * (1 - kb));
  const cr = (red - luma) / (2 * (1 - kr));
  return info.range === "pc"
    ? { y: byte(255 * luma), u: byte(128 + 255 * cb), v: byte(128 + 255 * cr) }
    : { y: byte(16 + 219 * luma), u: byte(128 + 224 * cb), v: byte(128 + 224 * cr) };
}

function byte(value: number): number {
  return Math.max(0, Math.min(255, Math.round(value)));
}
