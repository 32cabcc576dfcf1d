import { type Static, Type } from "typebox";
import type { Random } from "./random.js";

/** How training pictures are augmented: the `augment:` block of a recipe. Options left out do nothing. */
export const AugmentOptions = Type.Object({
  flip: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 1,
    description: "Fraction of pictures to mirror.",
  }),
  rotation: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 180,
    description: "Largest rotation either way, in degrees.",
  }),
  shift: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 128,
    description: "Largest shift either way in x and y, in pixels.",
  }),
  zoom: Type.Array(Type.Number({ exclusiveMinimum: 0, maximum: 10 }), {
    default: [1, 1],
    minItems: 2,
    maxItems: 2,
    description: "Smallest and largest size of the face relative to the original, spread evenly by ratio.",
  }),
  brightness: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 1,
    description: "Largest brightness change, as a fraction of the full range.",
  }),
  contrast: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 1,
    description: "Contrast factor around middle grey: 1 +- this.",
  }),
  noise: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 1,
    description: "Uniform noise per pixel, as a fraction of the full range.",
  }),
  erase: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 1,
    description: "Fraction of pictures in which a rectangle is erased.",
  }),
  eraseSize: Type.Array(Type.Number({ exclusiveMinimum: 0, maximum: 1 }), {
    default: [0.125, 0.4],
    minItems: 2,
    maxItems: 2,
    description: "Shortest and longest side of that rectangle, as fractions of the picture's.",
  }),
});
export type AugmentOptions = Static<typeof AugmentOptions>;

/** How pixels become the network's input: `pixel * scale + offset`. */
export interface Normalisation {
  readonly scale: number;
  readonly offset: number;
}

/** Augments pictures of one size: one bilinear warp that repeats the edge, then grey levels, then erasing. */
export class Augmenter {
  readonly #options: AugmentOptions;
  readonly #width: number;
  readonly #height: number;
  readonly #normalisation: Normalisation;

  constructor(options: AugmentOptions, width: number, height: number, normalisation: Normalisation) {
    this.#options = options;
    this.#width = width;
    this.#height = height;
    this.#normalisation = normalisation;
  }

  /** Writes one augmented and normalised picture to `out`. All randomness comes from `random`. */
  apply(pixels: Uint8Array, random: Random, out: Float32Array): void {
    const { brightness, contrast, noise, erase } = this.#options;
    this.#warp(pixels, random, out);
    const gain = 1 + random.around(contrast);
    const bias = random.around(brightness) * 255 + 127.5 * (1 - gain);
    for (let i = 0; i < out.length; i++) {
      const grain = noise > 0 ? random.around(noise) * 255 : 0;
      out[i] = Math.min(255, Math.max(0, (out[i] ?? 0) * gain + bias + grain));
    }
    if (random.next() < erase) this.#erase(random, out);
    const { scale, offset } = this.#normalisation;
    for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) * scale + offset;
  }

  #warp(pixels: Uint8Array, random: Random, out: Float32Array): void {
    const { flip, rotation, shift, zoom } = this.#options;
    const [small = 1, large = 1] = zoom;
    const mirrored = random.next() < flip ? -1 : 1;
    const angle = (random.around(rotation) * Math.PI) / 180;
    const inverse = 1 / (small * (large / small) ** random.next());
    const [left, top] = [random.around(shift), random.around(shift)];
    const width = this.#width;
    const height = this.#height;
    const [a, b] = [Math.cos(angle) * inverse, Math.sin(angle) * inverse];
    const [midX, midY] = [(width - 1) / 2, (height - 1) / 2];
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const dx = x - midX - left;
        const dy = y - midY - top;
        const u = Math.min(width - 1, Math.max(0, midX + mirrored * (a * dx + b * dy)));
        const v = Math.min(height - 1, Math.max(0, midY - b * dx + a * dy));
        const [u0, v0] = [u | 0, v | 0];
        const [fx, fy] = [u - u0, v - v0];
        const at = v0 * width + u0;
        const right = u0 + 1 < width ? 1 : 0;
        const down = v0 + 1 < height ? width : 0;
        const upper = (pixels[at] ?? 0) * (1 - fx) + (pixels[at + right] ?? 0) * fx;
        const lower = (pixels[at + down] ?? 0) * (1 - fx) + (pixels[at + down + right] ?? 0) * fx;
        out[y * width + x] = upper * (1 - fy) + lower * fy;
      }
  }

  #erase(random: Random, out: Float32Array): void {
    const [least = 0, most = 0] = this.#options.eraseSize;
    const side = (length: number) =>
      Math.min(length, Math.max(1, Math.round((least + (most - least) * random.next()) * length)));
    const width = side(this.#width);
    const height = side(this.#height);
    const x = random.below(this.#width - width + 1);
    const y = random.below(this.#height - height + 1);
    const value = random.next() * 255;
    for (let row = y; row < y + height; row++)
      out.fill(value, row * this.#width + x, row * this.#width + x + width);
  }
}
