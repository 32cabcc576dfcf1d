import { parentPort, workerData } from "node:worker_threads";
import { messageOf } from "../errors.js";
import type { CompiledCascade } from "./compile.js";
import { Detector, type Plane } from "./detector.js";
import type { Detection } from "./group.js";
import type { Capacity } from "./layout.js";
import type { ScanOptions } from "./scales.js";

export interface WorkerSetup {
  readonly compiled: CompiledCascade;
  readonly memory: WebAssembly.Memory;
  readonly wasm: WebAssembly.Module;
}

export interface Job {
  readonly plane: Plane;
  readonly options: ScanOptions;
  /** A new scratch region, where this worker's last one was too small. */
  readonly scratch?: { readonly offset: number; readonly capacity: Capacity };
}

export type Answer = { readonly boxes: Detection[] } | { readonly error: string };

const port = parentPort;
if (port) {
  const { compiled, memory, wasm } = workerData as WorkerSetup;
  const detector = await Detector.create(compiled, memory, wasm);
  port.on("message", ({ plane, options, scratch }: Job) => {
    let answer: Answer;
    try {
      if (scratch) detector.useScratch(scratch.offset, scratch.capacity);
      answer = { boxes: detector.detect(plane, options) };
    } catch (error) {
      answer = { error: messageOf(error) };
    }
    port.postMessage(answer);
  });
}
