import type { Box } from "../media/frame.js";
import type { ModelCard } from "./card.js";

/** A luma plane, row-major without padding. */
export interface Picture {
  readonly luma: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** How the crop lies around the detected box; see `face` in the model's card. */
export type Framing = ModelCard["face"];

/** The square that is cropped for a face: as large as the box's longer side, with its margin. May leave the picture. */
export function cropBox(box: Box, { margin, shiftY }: Framing): Box {
  const side = Math.max(box.width, box.height) * (1 + 2 * margin);
  const x = box.x + box.width / 2 - side / 2;
  const y = box.y + box.height / 2 - side / 2 + shiftY * box.height;
  return { x, y, width: side, height: side };
}

/**
 * Cuts faces out of pictures and brings them to a model's input: a triangle filter as wide as the pixels it merges
 * (bilinear where it enlarges), the picture's edge repeated outside, then `pixel * scale + offset`.
 */
export class Cropper {
  readonly #input: ModelCard["input"];
  readonly #columns: Taps;
  readonly #rows: Taps;
  #lines = new Int32Array(0);

  constructor(input: ModelCard["input"]) {
    this.#input = input;
    this.#columns = new Taps(input.width);
    this.#rows = new Taps(input.height);
  }

  /** Writes `height * width` values to `out` at `offset`. */
  crop(picture: Picture, box: Box, out: Float32Array, offset: number): void {
    const { width, height, scale, offset: shift } = this.#input;
    this.#columns.lay(box.x, box.width, picture.width);
    this.#rows.lay(box.y, box.height, picture.height);
    const { first, count, weights, most } = this.#rows;
    const top = first[0] ?? 0;
    const lines = this.#resizeLines(picture, top, (first[height - 1] ?? 0) + (count[height - 1] ?? 0));
    const unit = scale / ONE ** 2;
    let at = offset;
    for (let y = 0; y < height; y++) {
      const line = ((first[y] ?? 0) - top) * width;
      const begin = y * most;
      const end = begin + (count[y] ?? 0);
      for (let x = 0; x < width; x++) {
        let value = 0;
        let pixel = line + x;
        for (let tap = begin; tap < end; tap++) {
          value += (weights[tap] ?? 0) * (lines[pixel] ?? 0);
          pixel += width;
        }
        out[at++] = value * unit + shift;
      }
    }
  }

  /** Picture rows `top` to `bottom`, each resized to the model's width; `ONE` is a grey level. */
  #resizeLines({ luma, width: stride }: Picture, top: number, bottom: number): Int32Array {
    const { width } = this.#input;
    if (this.#lines.length < (bottom - top) * width) this.#lines = new Int32Array((bottom - top) * width);
    const lines = this.#lines;
    const { first, count, weights, most } = this.#columns;
    let at = 0;
    for (let row = top; row < bottom; row++) {
      const start = row * stride;
      for (let x = 0; x < width; x++) {
        const end = x * most + (count[x] ?? 0);
        let pixel = start + (first[x] ?? 0);
        let value = 0;
        // Whole numbers: nearly all of a crop's time goes here, once for every pixel of the face.
        for (let tap = x * most; tap < end; tap++)
          value = (value + Math.imul(weights[tap] ?? 0, luma[pixel++] ?? 0)) | 0;
        lines[at++] = value;
      }
    }
    return lines;
  }
}

/** What the weights of an output pixel add up to. A grey level times this fits 32 bits. */
const ONE = 2 ** 20;

/** Which source pixels make up each output pixel along one axis, and how much each weighs. */
class Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** Of output pixel `i` from `i * most` on. */
  weights = new Int32Array(0);
  most = 0;
  #shares = new Float64Array(0);

  constructor(size: number) {
    this.first = new Int32Array(size);
    this.count = new Int32Array(size);
  }

  /** @param limit size of the picture along this axis; taps beyond it weigh on its last pixel */
  lay(start: number, length: number, limit: number): void {
    const size = this.first.length;
    const step = length / size;
    const reach = Math.max(1, step);
    this.most = Math.ceil(2 * reach) + 2;
    if (this.weights.length < size * this.most) this.weights = new Int32Array(size * this.most);
    if (this.#shares.length < this.most) this.#shares = new Float64Array(this.most);
    const shares = this.#shares;
    const clamp = (pixel: number) => Math.min(limit - 1, Math.max(0, pixel));
    for (let i = 0; i < size; i++) {
      const centre = start + (i + 0.5) * step;
      const from = Math.floor(centre - reach);
      const to = Math.ceil(centre + reach);
      const first = clamp(from);
      const count = clamp(to - 1) - first + 1;
      this.first[i] = first;
      this.count[i] = count;
      shares.fill(0, 0, count);
      let total = 0;
      for (let pixel = from; pixel < to; pixel++) {
        const share = Math.max(0, 1 - Math.abs(pixel + 0.5 - centre) / reach);
        const tap = clamp(pixel) - first;
        shares[tap] = (shares[tap] ?? 0) + share;
        total += share;
      }
      this.#round(i * this.most, count, total);
    }
  }

  /** The shares as whole numbers whose sum is exactly `ONE`: what is cut off one goes to the next. */
  #round(at: number, count: number, total: number): void {
    let sum = 0;
    let before = 0;
    for (let tap = 0; tap < count; tap++) {
      sum += this.#shares[tap] ?? 0;
      const until = Math.round((sum / total) * ONE);
      this.weights[at + tap] = until - before;
      before = until;
    }
  }
}
