import { ModelError } from "../errors.js";
import type { Box } from "../media/frame.js";
import type { Cascade } from "./cascade.js";
import { type Detection, groupBoxes, roundHalfEven } from "./group.js";
import { type Capacity, cornerOffset, type Layout, layOut, MAX_FOUND, writeTables } from "./layout.js";
import { type Scale, type ScanOptions, scalesOf } from "./scales.js";

interface Kernel {
  integrate(parameters: number): void;
  scanStumps(parameters: number): number;
  scanTrees(parameters: number): number;
}

/** A luma plane in the detector's memory. */
export interface Plane {
  /** Byte offset of the first pixel. */
  readonly offset: number;
  readonly width: number;
  readonly height: number;
  /** Bytes from one row to the next. */
  readonly stride: number;
}

/** Finds faces with a cascade in luma planes that lie in one WebAssembly memory. Not for concurrent use. */
export class Detector {
  readonly cascade: Cascade;
  readonly #memory: WebAssembly.Memory;
  readonly #kernel: Kernel;
  #layout: Layout | undefined;
  readonly #norm: { readonly area: number; readonly most: number };

  private constructor(cascade: Cascade, memory: WebAssembly.Memory, kernel: Kernel) {
    this.cascade = cascade;
    this.#memory = memory;
    this.#kernel = kernel;
    const area = (cascade.width - 2) * (cascade.height - 2);
    this.#norm = { area, most: largestFactor(area) };
  }

  /** `wasm` is the compiled `kernel.wasm`. */
  static async create(
    cascade: Cascade,
    memory: WebAssembly.Memory,
    wasm: WebAssembly.Module,
  ): Promise<Detector> {
    const instance = await WebAssembly.instantiate(wasm, { env: { memory } });
    return new Detector(cascade, memory, instance.exports as unknown as Kernel);
  }

  /** Hands over the scratch region at `offset`, as large as `layOut` says for `capacity`. */
  useScratch(offset: number, capacity: Capacity): void {
    this.#layout = layOut(this.cascade, capacity, offset);
    writeTables(this.#memory.buffer, this.cascade, this.#layout);
  }

  /** Boxes as OpenCV's `detectMultiScale` gives them, in pixels of the plane. The scratch must have room for the scan. */
  detect(plane: Plane, options: ScanOptions): Detection[] {
    const raw: Box[] = [];
    for (const scale of scalesOf(this.cascade, plane, options)) this.#scan(plane, scale, raw);
    const boxes = groupBoxes(raw, options.minNeighbors ?? 5);
    return boxes.map((box) => clip(box, plane));
  }

  #scan(plane: Plane, scale: Scale, raw: Box[]): void {
    const layout = this.#layout;
    if (!layout) throw new ModelError("HAAR_SCRATCH", "the detector was given no scratch memory");
    const { cascade } = this;
    if (scale.width < cascade.width || scale.height < cascade.height) return;
    this.#writeParameters(layout, plane, scale);
    this.#kernel.integrate(layout.parameters);
    const count = cascade.stumps
      ? this.#kernel.scanStumps(layout.parameters)
      : this.#kernel.scanTrees(layout.parameters);
    const found = new Int32Array(this.#memory.buffer, layout.out, 2 * Math.min(count, MAX_FOUND));
    const width = roundHalfEven(Math.fround(cascade.width * scale.factor));
    const height = roundHalfEven(Math.fround(cascade.height * scale.factor));
    for (let i = 0; i < found.length; i += 2) {
      const x = roundHalfEven(Math.fround((found[i] ?? 0) * scale.factor));
      const y = roundHalfEven(Math.fround((found[i + 1] ?? 0) * scale.factor));
      raw.push({ x, y, width, height });
    }
  }

  #writeParameters(layout: Layout, plane: Plane, scale: Scale): void {
    const { cascade } = this;
    const words = new Int32Array(this.#memory.buffer, layout.parameters, 48);
    const i = scale.step - 1;
    // In the order of the kernel's parameter block.
    words.set([
      plane.offset,
      plane.stride,
      plane.width,
      plane.height,
      scale.width,
      scale.height,
      scale.step,
      layout.plane[i] ?? 0,
      layout.row[i] ?? 0,
      layout.xofs,
      layout.xcoef,
      layout.blend,
      layout.lineSum,
      layout.lineSq,
      layout.sum,
      layout.sq,
      layout.tilted,
      layout.lineTilted,
      layout.pixels,
      layout.line,
      layout.stages,
      cascade.stageThreshold.length,
      layout.nodes[i]?.[0] ?? 0,
      layout.nodes[i]?.[1] ?? 0,
    ]);
    new Float64Array(this.#memory.buffer, layout.parameters + 96, 1)[0] = this.#norm.area;
    new Float32Array(this.#memory.buffer, layout.parameters + 104, 1)[0] = this.#norm.most;
    words.set([...normCorners(cascade, layout, scale, 0), ...normCorners(cascade, layout, scale, 1)], 27);
    words.set(
      [
        layout.codes,
        layout.factors,
        layout.fast[i]?.[0] ?? 0,
        layout.fast[i]?.[1] ?? 0,
        layout.half,
        layout.out,
        MAX_FOUND,
        cascade.width,
        cascade.height,
        cascade.stumps ? 0 : 1,
        layout.trees,
        layout.leaves,
        layout.visited,
      ],
      35,
    );
  }
}

/** Corners of the rectangle that contrast is measured in: the window less a border of one pixel. */
function normCorners(cascade: Cascade, layout: Layout, scale: Scale, parity: 0 | 1): number[] {
  const at = (x: number, y: number) => cornerOffset(layout, scale.step, parity, x, y);
  const right = cascade.width - 1;
  const bottom = cascade.height - 1;
  return [at(1, 1), at(right, 1), at(1, bottom), at(right, bottom)];
}

/** The largest single-precision factor f with `area * f < 0.1`, OpenCV's limit for windows with enough contrast. */
function largestFactor(area: number): number {
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  value[0] = 0.1 / area;
  const factor = () => value[0] ?? 0;
  while (area * factor() < 0.1) bits[0] = (bits[0] ?? 0) + 1;
  while (area * factor() >= 0.1) bits[0] = (bits[0] ?? 0) - 1;
  return factor();
}

function clip(box: Detection, plane: Plane): Detection {
  const x = Math.max(box.x, 0);
  const y = Math.max(box.y, 0);
  return {
    x,
    y,
    width: Math.min(box.x + box.width, plane.width) - x,
    height: Math.min(box.y + box.height, plane.height) - y,
    neighbors: box.neighbors,
  };
}
