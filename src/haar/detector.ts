import { ModelError } from "../errors.js";
import type { Box } from "../media/frame.js";
import type { CompiledCascade } from "./compile.js";
import { type Detection, groupBoxes, roundHalfEven } from "./group.js";
import {
  type Capacity,
  FACTORS_BYTES,
  geometryOf,
  type Layout,
  layOut,
  MAX_FOUND,
  ROWS_TOGETHER,
} from "./layout.js";
import { type Scale, type ScanOptions, scalesOf } from "./scales.js";

interface Kernel {
  /** Looks at every window of one scale; returns how many were found. */
  scan(parameters: number): number;
  settle: CallableFunction;
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

/** The windows that passed at one scale. */
export interface ScaleWindows {
  /** Its index among the scales of the scan. */
  readonly scale: number;
  readonly windows: readonly Box[];
}

/** Finds faces with a cascade in luma planes that lie in one WebAssembly memory. Not for concurrent use. */
export class Detector {
  readonly #compiled: CompiledCascade;
  readonly #memory: WebAssembly.Memory;
  readonly #kernel: Kernel;
  #layout: Layout | undefined;

  private constructor(compiled: CompiledCascade, memory: WebAssembly.Memory, kernel: Kernel) {
    this.#compiled = compiled;
    this.#memory = memory;
    this.#kernel = kernel;
  }

  /** `wasm` is the compiled `kernel.wasm`. */
  static async create(
    compiled: CompiledCascade,
    memory: WebAssembly.Memory,
    wasm: WebAssembly.Module,
  ): Promise<Detector> {
    // The kernel calls the cascade's code through a table, and that code calls the kernel's `settle`.
    const table = new WebAssembly.Table({ initial: STAGES.length + 1, element: "anyfunc" });
    const kernel = await WebAssembly.instantiate(wasm, { env: { memory, table } });
    const exports = kernel.exports as unknown as Kernel;
    const cascade = await WebAssembly.instantiate(compiled.module, {
      env: { memory, settle: exports.settle as WebAssembly.ExportValue },
    });
    for (const [i, name] of STAGES.entries()) table.set(i + 1, cascade.exports[name]);
    return new Detector(compiled, memory, exports);
  }

  /** Sets the scratch region at `offset`, with the size that `scratchBytes` returns for `capacity`. */
  useScratch(offset: number, capacity: Capacity): void {
    const { cascade, data } = this.#compiled;
    this.#layout = layOut(cascade, data.byteLength, capacity, offset);
    new Int32Array(this.#memory.buffer, this.#layout.data, data.length).set(data);
  }

  /**
   * Windows that pass the cascade, in pixels of the plane, at the scales that `next` returns until it returns one that
   * does not exist: several detectors may share the scales of one picture. The scratch region must have room for the
   * scan.
   */
  scan(plane: Plane, options: ScanOptions, next: () => number): ScaleWindows[] {
    const scales = scalesOf(this.#compiled.cascade, plane, options);
    const all: ScaleWindows[] = [];
    for (let i = next(), scale = scales[i]; scale; i = next(), scale = scales[i]) {
      const windows = this.#scanAt(plane, scale);
      if (windows.length > 0) all.push({ scale: i, windows });
    }
    return all;
  }

  #scanAt(plane: Plane, scale: Scale): Box[] {
    const layout = this.#layout;
    if (!layout) throw new ModelError("HAAR_SCRATCH", "the detector has no scratch memory");
    const { cascade } = this.#compiled;
    if (scale.width < cascade.width || scale.height < cascade.height) return [];
    this.#writeParameters(layout, plane, scale);
    const count = Math.min(this.#kernel.scan(layout.parameters), MAX_FOUND);
    const found = new Int32Array(this.#memory.buffer, layout.out, 2 * count);
    const width = roundHalfEven(Math.fround(cascade.width * scale.factor));
    const height = roundHalfEven(Math.fround(cascade.height * scale.factor));
    const windows: Box[] = [];
    for (let i = 0; i < found.length; i += 2) {
      const x = roundHalfEven(Math.fround((found[i] ?? 0) * scale.factor));
      const y = roundHalfEven(Math.fround((found[i + 1] ?? 0) * scale.factor));
      windows.push({ x, y, width, height });
    }
    return windows;
  }

  #writeParameters(layout: Layout, plane: Plane, scale: Scale): void {
    const { cascade, tables } = this.#compiled;
    const geometry = geometryOf(cascade);
    const i = scale.step - 1;
    // In the order of the kernel's parameter block.
    const words = [
      plane.offset,
      plane.stride,
      plane.width,
      plane.height,
      scale.width,
      scale.height,
      scale.step,
      cascade.width,
      cascade.height,
      geometry.plane[i] ?? 0,
      geometry.rows,
      layout.sum,
      layout.sq,
      layout.tilted,
      layout.linesTilted,
      layout.line,
      layout.pixels,
      layout.pixelsBytes,
      layout.columns,
      layout.blend,
      layout.enter,
      layout.states,
      layout.factors,
      FACTORS_BYTES,
      layout.out,
      MAX_FOUND,
      layout.data + tables.stages,
      layout.data + tables.trees,
      layout.data + tables.leaves,
      layout.data + tables.nodes,
      layout.data + (tables.pieces[i] ?? 0),
      1 + 2 * i,
      layout.list,
      ROWS_TOGETHER,
    ];
    new Int32Array(this.#memory.buffer, layout.parameters, words.length).set(words);
  }
}

/** Exports of a compiled cascade, in the order of the kernel's table, which starts at 1. */
const STAGES = ["first1", "later1", "first2", "later2"] as const;

/** Bytes of scratch memory that a detector needs for pictures of up to `capacity`. */
export function scratchBytes({ cascade, data }: CompiledCascade, capacity: Capacity): number {
  return layOut(cascade, data.byteLength, capacity).bytes;
}

/** Boxes like those of OpenCV's `detectMultiScale`, in pixels of the plane, from the windows of all scales. */
export function boxesOf(all: readonly ScaleWindows[], plane: Plane, minNeighbors = 5): Detection[] {
  const ordered = [...all].sort((a, b) => a.scale - b.scale);
  const raw = ordered.flatMap(({ windows }) => windows);
  return groupBoxes(raw, minNeighbors).map((box) => clip(box, plane));
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
