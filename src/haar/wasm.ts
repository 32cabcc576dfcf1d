import { readFile } from "node:fs/promises";

let compiled: Promise<WebAssembly.Module> | undefined;

/** The compiled kernel; compiled once per thread. */
export function kernelModule(): Promise<WebAssembly.Module> {
  compiled ??= readFile(new URL("./kernel.wasm", import.meta.url)).then((bytes) =>
    WebAssembly.compile(new Uint8Array(bytes)),
  );
  return compiled;
}
