import { ModelError } from "../errors.js";
import type { Model } from "../model/load.js";

// A request consists of crops in the model's input format, `[n, 1, height, width]`, as little-endian 32-bit floats; the
// response is `[n, classes]` in the same encoding. Only workers with identical weights are asked, so that the result
// does not depend on the worker.

/** The queue group of all workers of a model. */
export const GROUP = "inference";
/** In a request: how long the client waits, ms. Older requests are not processed. */
export const TIMEOUT_HEADER = "Ekspresi-Timeout-Ms";
/** In a response without probabilities: the reason. */
export const ERROR_HEADER = "Ekspresi-Error";
/** In a response: the worker's name and its provider. */
export const WORKER_HEADER = "Ekspresi-Worker";
export const PROVIDER_HEADER = "Ekspresi-Provider";

export interface Subjects {
  /** Any worker of the model. */
  readonly any: string;
  /** All workers: each that has capacity replies with its id. */
  readonly who: string;
  /** One worker, by its id. */
  one(id: string): string;
}

/** Subjects on which workers with exactly this model's weights listen. */
export function subjectsOf({ card }: Model): Subjects {
  const file = card.files.find(({ kind }) => kind === "onnx");
  if (!file)
    throw new ModelError(
      "MODEL_FILE",
      `model ${card.name}: remote inference needs an onnx file, which this model does not have`,
    );
  const base = `ekspresi.inference.${card.name}.${file.sha256.slice(0, 16)}`;
  return { any: `${base}.any`, who: `${base}.who`, one: (id) => `${base}.one.${id}` };
}

/** Copies floats to bytes. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.slice().buffer);
}

/** Copies bytes to floats, whatever their alignment in a packet. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer); // not `slice`, which shares memory for a Buffer
}
