import { readFileSync } from "node:fs";
import type { FrameMemory } from "../../media/pool.js";
import type { Taps } from "./taps.js";

/** The exports of kernel/index.ts. */
interface Exports {
  resizeLines(
    ...args: [
      pixels: number,
      stride: number,
      rows: number,
      width: number,
      first: number,
      weights: number,
      span: number,
      lines: number,
    ]
  ): void;
  mergeLines(
    ...args: [
      lines: number,
      width: number,
      height: number,
      first: number,
      count: number,
      weights: number,
      span: number,
      unit: number,
      shift: number,
      out: number,
    ]
  ): void;
}

let compiled: WebAssembly.Module | undefined;

/** The kernel, with scratch space in a frame memory that grows to fit the largest face. */
export class CropKernel {
  readonly #memory: FrameMemory;
  readonly #exports: Exports;
  #room = { offset: 0, bytes: 0 };

  constructor(memory: FrameMemory) {
    compiled ??= new WebAssembly.Module(readFileSync(new URL("./kernel.wasm", import.meta.url)));
    this.#memory = memory;
    const imports = { env: { memory: memory.memory } };
    this.#exports = new WebAssembly.Instance(compiled, imports).exports as unknown as Exports;
  }

  /**
   * Resizes a picture to as many values as `columns` and `down` have outputs, each `weighted sum * unit + shift`.
   * Returns a view that the next call overwrites.
   *
   * @param pixels `rows` rows that start `stride` apart, the last of which may end early; or their offset in the memory
   */
  resize(
    pixels: Uint8Array | number,
    stride: number,
    rows: number,
    columns: Taps,
    down: Taps,
    unit: number,
    shift: number,
  ): Float32Array {
    const width = columns.first.length;
    const height = down.first.length;
    let bytes = 0;
    const take = (count: number) => {
      const at = bytes;
      bytes = Math.ceil((bytes + count) / 16) * 16;
      return at;
    };
    const across = { first: take(width * 4), weights: take(width * columns.span * 2) };
    const along = { first: take(height * 4), count: take(height * 4), weights: take(height * down.span * 2) };
    const out = take(height * width * 4 + 16);
    const lines = take(rows * width * 4 + 16);
    const copied = typeof pixels === "number" ? 0 : take(pixels.length);
    const base = this.#reserve(bytes);
    const { buffer } = this.#memory.memory;
    if (typeof pixels !== "number") new Uint8Array(buffer, base + copied).set(pixels);
    new Int32Array(buffer, base + across.first).set(columns.first);
    new Int16Array(buffer, base + across.weights).set(columns.weights.subarray(0, width * columns.span));
    new Int32Array(buffer, base + along.first).set(down.first);
    new Int32Array(buffer, base + along.count).set(down.count);
    new Int16Array(buffer, base + along.weights).set(down.weights.subarray(0, height * down.span));
    this.#exports.resizeLines(
      typeof pixels === "number" ? pixels : base + copied,
      stride,
      rows,
      width,
      base + across.first,
      base + across.weights,
      columns.span,
      base + lines,
    );
    this.#exports.mergeLines(
      base + lines,
      width,
      height,
      base + along.first,
      base + along.count,
      base + along.weights,
      down.span,
      unit,
      shift,
      base + out,
    );
    return new Float32Array(buffer, base + out, height * width);
  }

  /** Offset of scratch space for at least this many bytes. */
  #reserve(bytes: number): number {
    if (this.#room.bytes < bytes) {
      if (this.#room.bytes > 0) this.#memory.free(this.#room);
      this.#room = this.#memory.allocate(bytes);
    }
    return this.#room.offset;
  }
}
