import type { Box } from "../../media/frame.js";
import { FrameMemory } from "../../media/pool.js";
import type { ModelCard } from "../card.js";
import { ONE, Taps } from "./taps.js";
import { CropKernel } from "./wasm.js";

/** A luma plane, row-major, without padding. */
export interface Picture {
  readonly luma: Uint8Array;
  /** Offset in the cropper's memory. If absent, the plane is copied there. */
  readonly offset?: number;
  readonly width: number;
  readonly height: number;
}

/** How the crop is placed around the detected box; see `face` in the model's card. */
export type Framing = ModelCard["face"];

/**
 * The square to crop for a face: its side is the box's longer side plus the margin. It may extend beyond the picture.
 */
export function cropBox(box: Box, { margin, shiftY }: Framing): Box {
  const side = Math.max(box.width, box.height) * (1 + 2 * margin);
  const x = box.x + box.width / 2 - side / 2;
  const y = box.y + box.height / 2 - side / 2 + shiftY * box.height;
  return { x, y, width: side, height: side };
}

/**
 * Crops faces from pictures and resizes them to a model's input with a triangle filter as wide as the pixels it merges
 * (bilinear when enlarging). Outside the picture its edge is repeated. The result is `pixel * scale + offset`. Weights
 * are multiples of 1/16384, so a value is within 0.1 grey levels of the exact one.
 */
export class Cropper {
  readonly #input: ModelCard["input"];
  readonly #columns: Taps;
  readonly #rows: Taps;
  readonly #kernel: CropKernel;

  /** @param memory holds the pictures that need no copying */
  constructor(input: ModelCard["input"], memory = new FrameMemory()) {
    this.#input = input;
    this.#kernel = new CropKernel(memory);
    this.#columns = new Taps(input.width);
    this.#rows = new Taps(input.height);
  }

  /** Writes `height * width` values to `out` at `offset`. */
  crop(
    { luma, offset: place, width: stride, height }: Picture,
    box: Box,
    out: Float32Array,
    offset: number,
  ): void {
    const { scale, offset: shift } = this.#input;
    this.#columns.lay(box.x, box.width, stride);
    this.#rows.lay(box.y, box.height, height);
    const [left, right] = this.#columns.toFirst();
    const [top, bottom] = this.#rows.toFirst();
    // Whole rows at once: if they must be copied, that is cheaper than copying a part of each row.
    const first = top * stride + left;
    const pixels = place === undefined ? luma.subarray(first, (bottom - 1) * stride + right) : place + first;
    const values = this.#kernel.resize(
      pixels,
      stride,
      bottom - top,
      this.#columns,
      this.#rows,
      scale / ONE ** 2,
      shift,
    );
    out.set(values, offset);
  }
}
