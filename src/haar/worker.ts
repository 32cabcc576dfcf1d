import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../errors.js";
import type { CompiledCascade } from "./compile.js";
import { Detector, type Plane, type ScaleWindows } from "./detector.js";
import type { Capacity } from "./layout.js";
import type { ScanOptions } from "./scales.js";

export interface WorkerSetup {
  readonly compiled: CompiledCascade;
  readonly memory: WebAssembly.Memory;
  readonly wasm: WebAssembly.Module;
  /** A counter for each picture that may be in progress: the next scale to take. */
  readonly counters: Int32Array;
}

export interface Job {
  readonly plane: Plane;
  readonly options: ScanOptions;
  /** The picture's counter. */
  readonly counter: number;
  /** Where to scan from now on, if this picture does not fit as the worker's scratch region is divided. */
  readonly scratch?: { readonly offset: number; readonly capacity: Capacity };
}

export type Answer = { readonly found: ScaleWindows[] } | { readonly error: string };

const port = parentPort;
if (port) {
  const { compiled, memory, wasm, counters } = workerData as WorkerSetup;
  const detector = await Detector.create(compiled, memory, wasm);
  port.on("message", ({ plane, options, counter, scratch }: Job) => {
    let answer: Answer;
    try {
      if (scratch) detector.useScratch(scratch.offset, scratch.capacity);
      const next = () => Atomics.add(counters, counter, 1);
      answer = { found: detector.scan(plane, options, next) };
    } catch (error) {
      answer = { error: messageOf(error) };
    }
    port.postMessage(answer);
  });
}
