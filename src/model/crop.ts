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
  #lines = new Float32Array(0);

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
    const first = this.#rows.first[0] ?? 0;
    const last = (this.#rows.first[height - 1] ?? 0) + (this.#rows.count[height - 1] ?? 0);
    this.#resizeLines(picture, first, last);
    for (let y = 0; y < height; y++) {
      const top = this.#rows.first[y] ?? 0;
      const taps = this.#rows.count[y] ?? 0;
      for (let x = 0; x < width; x++) {
        let value = 0;
        for (let t = 0; t < taps; t++)
          value += this.#rows.weight(y, t) * (this.#lines[(top + t - first) * width + x] ?? 0);
        out[offset + y * width + x] = value * scale + shift;
      }
    }
  }

  /** Picture rows `first` to `last`, each resized to the model's width. */
  #resizeLines({ luma, width: stride }: Picture, first: number, last: number): void {
    const { width } = this.#input;
    if (this.#lines.length < (last - first) * width) this.#lines = new Float32Array((last - first) * width);
    for (let row = first; row < last; row++)
      for (let x = 0; x < width; x++) {
        const left = row * stride + (this.#columns.first[x] ?? 0);
        const taps = this.#columns.count[x] ?? 0;
        let value = 0;
        for (let t = 0; t < taps; t++) value += this.#columns.weight(x, t) * (luma[left + t] ?? 0);
        this.#lines[(row - first) * width + x] = value;
      }
  }
}

/** Which source pixels make up each output pixel along one axis, and how much each weighs. */
class Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  #weights = new Float64Array(0);
  #most = 0;

  constructor(size: number) {
    this.first = new Int32Array(size);
    this.count = new Int32Array(size);
  }

  weight(output: number, tap: number): number {
    return this.#weights[output * this.#most + tap] ?? 0;
  }

  /** @param limit size of the picture along this axis; taps beyond it weigh on its last pixel */
  lay(start: number, length: number, limit: number): void {
    const size = this.first.length;
    const step = length / size;
    const reach = Math.max(1, step);
    this.#most = Math.ceil(2 * reach) + 2;
    if (this.#weights.length < size * this.#most) this.#weights = new Float64Array(size * this.#most);
    const clamp = (pixel: number) => Math.min(limit - 1, Math.max(0, pixel));
    for (let i = 0; i < size; i++) {
      const centre = start + (i + 0.5) * step;
      const from = Math.floor(centre - reach);
      const to = Math.ceil(centre + reach);
      const at = i * this.#most;
      const first = clamp(from);
      this.first[i] = first;
      this.count[i] = clamp(to - 1) - first + 1;
      this.#weights.fill(0, at, at + this.#most);
      let total = 0;
      for (let pixel = from; pixel < to; pixel++) {
        const weight = Math.max(0, 1 - Math.abs(pixel + 0.5 - centre) / reach);
        const tap = at + clamp(pixel) - first;
        this.#weights[tap] = (this.#weights[tap] ?? 0) + weight;
        total += weight;
      }
      for (let tap = at; tap < at + this.#most; tap++) this.#weights[tap] = (this.#weights[tap] ?? 0) / total;
    }
  }
}
