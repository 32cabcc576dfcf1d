import { ModelError } from "../errors.js";
import type { Model } from "../model/load.js";

// A request is crops as the model takes them, `[n, 1, height, width]`, 32-bit floats, little-endian, nothing else; the
// answer is `[n, classes]` in the same form. Only workers with the very same weights are asked, so that an answer does
// not depend on who gives it.

/** The queue group of all workers of a model. */
export const GROUP = "inference";
/** In a request: how long the asker waits, ms. What is older is not worked on. */
export const TIMEOUT_HEADER = "Ekspresi-Timeout-Ms";
/** In an answer, instead of probabilities: why there are none. */
export const ERROR_HEADER = "Ekspresi-Error";
/** In an answer: who gave it, and on what. */
export const WORKER_HEADER = "Ekspresi-Worker";
export const PROVIDER_HEADER = "Ekspresi-Provider";

export interface Subjects {
  /** Any worker of the model. */
  readonly any: string;
  /** All of them: each that has time says its id. */
  readonly who: string;
  /** One of them. */
  one(worker: string): string;
}

/** Where workers with this model's very weights listen. */
export function subjectsOf({ card }: Model): Subjects {
  const file = card.files.find(({ kind }) => kind === "onnx");
  if (!file)
    throw new ModelError(
      "MODEL_FILE",
      `model ${card.name}: it has no onnx file, which remote inference runs`,
    );
  const base = `ekspresi.inference.${card.name}.${file.sha256.slice(0, 16)}`;
  return { any: `${base}.any`, who: `${base}.who`, one: (worker) => `${base}.one.${worker}` };
}

/** The numbers as bytes of their own. */
export function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.slice().buffer);
}

/** The bytes as numbers of their own, wherever in a packet they lie. */
export function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer); // not `slice`: a Buffer's shares its memory
}
