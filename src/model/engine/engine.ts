export type Provider = "cpu" | "webgpu" | "cuda";

/** What a network computes with. */
export type Precision = "float32" | "int8";

/** A model ready to run. */
export interface Engine {
  /** What really runs it, e.g. `onnx cpu` (not what was asked for). */
  readonly provider: string;
  /**
   * Probabilities of faces, in a thread of its own; calls may overlap and finish in order.
   *
   * @param crops `[n, 1, height, width]`, normalised as the card says; copied before this returns
   * @returns `[n, classes]`, finite. Rejects with `OperatorError` when the engine failed or was closed.
   */
  run(crops: Float32Array, n: number): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Default `onnx`. */
  readonly engine?: "onnx" | "tfjs";
  /** Default `cpu`; the `tfjs` engine takes what its package was built for. */
  readonly provider?: Provider;
  /** Threads of the `onnx` engine on the CPU. Default 1: detection already fills the other cores. */
  readonly threads?: number;
  /** Default `float32`; `int8` takes the model's file in 8 bits. */
  readonly precision?: Precision;
  /** An error where the provider cannot be had, instead of a warning and the CPU. */
  readonly strict?: boolean;
  readonly warn?: (message: string) => void;
}

/** What the engine's thread is started with. */
export interface EngineSetup {
  readonly engine: "onnx" | "tfjs";
  readonly provider: Provider;
  readonly threads: number;
  readonly strict: boolean;
  /** The graph; for `tfjs` its JSON and its weights. */
  readonly files: readonly Uint8Array[];
  readonly width: number;
  readonly height: number;
  readonly classes: number;
}

/** One engine inside its thread. */
export interface Backend {
  readonly provider: string;
  /** Why the provider is not the one asked for. */
  readonly warning?: string;
  /** Takes `[n, 1, height, width]`, gives `[n, classes]`. */
  run(crops: Float32Array, n: number): Promise<Float32Array>;
}

export interface EngineJob {
  readonly buffer: ArrayBuffer;
  readonly n: number;
}

/** Ends the thread after what it is doing; jobs behind that are not begun. */
export const CLOSE = "close";

export type EngineAnswer =
  | { readonly kind: "ready"; readonly provider: string; readonly warning?: string }
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "done"; readonly probabilities: Float32Array; readonly buffer: ArrayBuffer }
  | { readonly kind: "failed"; readonly message: string; readonly buffer: ArrayBuffer };
