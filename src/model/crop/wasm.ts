import { readFileSync } from "node:fs";
import type { Taps } from "./taps.js";

/** What kernel/index.ts exports. */
interface Exports {
  readonly memory: WebAssembly.Memory;
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

/** The kernel with a memory of its own, which grows to the largest face. */
export class CropKernel {
  readonly #exports: Exports;

  constructor() {
    compiled ??= new WebAssembly.Module(readFileSync(new URL("./kernel.wasm", import.meta.url)));
    this.#exports = new WebAssembly.Instance(compiled, {}).exports as unknown as Exports;
  }

  /**
   * The picture brought to `columns` by `rows` values of `weighted sum * unit + shift`: a view that the next call
   * writes over.
   *
   * @param pixels `rows` rows that begin `stride` apart; the last may end early
   */
  resize(
    pixels: Uint8Array,
    stride: number,
    rows: number,
    columns: Taps,
    down: Taps,
    unit: number,
    shift: number,
  ): Float32Array {
    const kernel = this.#exports;
    const width = columns.first.length;
    const height = down.first.length;
    let end = 0; // the kernel has no data of its own
    const take = (bytes: number) => {
      const at = end;
      end = Math.ceil((end + bytes) / 16) * 16;
      return at;
    };
    const across = { first: take(width * 4), weights: take(width * columns.span * 2) };
    const along = { first: take(height * 4), count: take(height * 4), weights: take(height * down.span * 2) };
    const out = take(height * width * 4 + 16);
    const lines = take(rows * width * 4 + 16);
    const source = take(pixels.length + columns.span);
    this.#reserve(end);
    const { buffer } = kernel.memory;
    new Uint8Array(buffer, source).set(pixels);
    new Int32Array(buffer, across.first).set(columns.first);
    new Int16Array(buffer, across.weights).set(columns.weights.subarray(0, width * columns.span));
    new Int32Array(buffer, along.first).set(down.first);
    new Int32Array(buffer, along.count).set(down.count);
    new Int16Array(buffer, along.weights).set(down.weights.subarray(0, height * down.span));
    kernel.resizeLines(source, stride, rows, width, across.first, across.weights, columns.span, lines);
    kernel.mergeLines(
      lines,
      width,
      height,
      along.first,
      along.count,
      along.weights,
      down.span,
      unit,
      shift,
      out,
    );
    return new Float32Array(buffer, out, height * width);
  }

  #reserve(bytes: number): void {
    const { memory } = this.#exports;
    const missing = bytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
  }
}
