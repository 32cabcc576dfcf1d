import type { Frame } from "../../media/frame.js";
import type { Font } from "./font.js";
import type { Paint } from "./paint.js";

/** From this many pixels on, calling `fill` costs less than a loop. Most rows are the few pixels of a box's side. */
const LONG = 32;

/** Draws on the planes of a `yuv420p` frame in place. Whatever extends beyond the picture is cut off. */
export class Canvas {
  width = 0;
  height = 0;
  #data: Uint8Array = new Uint8Array(0);
  #chromaWidth = 0;
  #u = 0;
  #v = 0;

  /** Selects the frame to draw on. */
  over(frame: Frame): void {
    this.width = frame.width;
    this.height = frame.height;
    this.#data = frame.slot.data;
    this.#chromaWidth = (frame.width + 1) >> 1;
    this.#u = frame.width * frame.height;
    this.#v = this.#u + this.#chromaWidth * ((frame.height + 1) >> 1);
  }

  /**
   * A filled rectangle. Chroma has half the resolution: edges on even pixels are sharp in colour too.
   *
   * @param opacity 0 to 1
   */
  fill(x: number, y: number, width: number, height: number, paint: Paint, opacity = 1): void {
    const left = Math.max(0, x);
    const top = Math.max(0, y);
    const right = Math.min(this.width, x + width);
    const bottom = Math.min(this.height, y + height);
    if (right <= left || bottom <= top) return;
    const part = Math.round(opacity * 256);
    this.#plane(0, this.width, left, top, right, bottom, paint.y, part);
    const [l, t, r, b] = [left >> 1, top >> 1, (right + 1) >> 1, (bottom + 1) >> 1];
    this.#plane(this.#u, this.#chromaWidth, l, t, r, b, paint.u, part);
    this.#plane(this.#v, this.#chromaWidth, l, t, r, b, paint.v, part);
  }

  /** The outline of a rectangle, drawn `thickness` pixels inwards. */
  outline(x: number, y: number, width: number, height: number, thickness: number, paint: Paint): void {
    this.fill(x, y, width, thickness, paint);
    this.fill(x, y + height - thickness, width, thickness, paint);
    this.fill(x, y + thickness, thickness, height - 2 * thickness, paint);
    this.fill(x + width - thickness, y + thickness, thickness, height - 2 * thickness, paint);
  }

  /** A line of text in a grey level of `luma`; its chroma is that of the background. Its box starts at `x`, `y`. */
  text(text: string, x: number, y: number, font: Font, luma: number): void {
    let pen = x;
    for (const character of text) {
      const glyph = font.glyph(character);
      this.#glyph(glyph.coverage, glyph.width, glyph.height, pen + glyph.left, y, luma);
      pen += glyph.advance;
    }
  }

  #glyph(coverage: Uint8Array, width: number, height: number, x: number, y: number, luma: number): void {
    const data = this.#data;
    const from = Math.max(0, -x);
    const to = Math.min(width, this.width - x);
    for (let row = Math.max(0, -y); row < Math.min(height, this.height - y); row++) {
      const at = (y + row) * this.width + x;
      for (let column = from; column < to; column++) {
        const part = coverage[row * width + column] ?? 0;
        if (part === 0) continue;
        const under = data[at + column] ?? 0;
        data[at + column] = under + ((luma - under) * part + 127) / 255;
      }
    }
  }

  #plane(
    plane: number,
    stride: number,
    left: number,
    top: number,
    right: number,
    bottom: number,
    value: number,
    part: number,
  ): void {
    const data = this.#data;
    for (let row = top; row < bottom; row++) {
      const from = plane + row * stride + left;
      const to = plane + row * stride + right;
      if (part === 256 && to - from >= LONG) data.fill(value, from, to);
      else if (part === 256) for (let at = from; at < to; at++) data[at] = value;
      else for (let at = from; at < to; at++) data[at] = ((data[at] ?? 0) * (256 - part) + value * part) >> 8;
    }
  }
}
