export type Provider = "cpu" | "webgpu" | "cuda";

/** Number format that a network computes in. */
export type Precision = "float32" | "int8";

/** A model ready to run. */
export interface Engine {
  /** What actually runs it, e.g. `onnx cpu` (not what was requested). */
  readonly provider: string;
  /**
   * Computes the probabilities of faces in its own thread. Calls may overlap and finish in order.
   *
   * @param crops `[n, 1, height, width]`, normalised as the card says; copied before this returns
   * @returns `[n, classes]`, finite. Rejects with `OperatorError` if the engine failed or was closed.
   */
  run(crops: Float32Array, n: number): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface EngineOptions {
  /** Default `onnx`. */
  readonly engine?: "onnx" | "tfjs";
  /** Default `cpu`; the `tfjs` engine uses whatever its package was built for. */
  readonly provider?: Provider;
  /** Threads of the `onnx` engine on the CPU. Default 1: detection already fills the other cores. */
  readonly threads?: number;
  /** Default `float32`; `int8` uses the model's 8-bit file. */
  readonly precision?: Precision;
  /** Fail if the provider is not available, instead of warning and using the CPU. */
  readonly strict?: boolean;
  readonly warn?: (message: string) => void;
}

/** Passed to the engine's thread when it starts. */
export interface EngineSetup {
  readonly engine: "onnx" | "tfjs";
  readonly provider: Provider;
  readonly threads: number;
  readonly strict: boolean;
  /** The ONNX graph; for `tfjs` the model's JSON and weights. */
  readonly files: readonly Uint8Array[];
  readonly width: number;
  readonly height: number;
  readonly classes: number;
}

/** An engine inside its thread. */
export interface Backend {
  readonly provider: string;
  /** Why the provider is not the one requested. */
  readonly warning?: string;
  /** Takes `[n, 1, height, width]`, returns `[n, classes]`. */
  run(crops: Float32Array, n: number): Promise<Float32Array>;
}

export interface EngineJob {
  readonly buffer: ArrayBuffer;
  readonly n: number;
}

/** Ends the thread after its current job; queued jobs are not started. */
export const CLOSE = "close";

export type EngineAnswer =
  | { readonly kind: "ready"; readonly provider: string; readonly warning?: string }
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "done"; readonly probabilities: Float32Array; readonly buffer: ArrayBuffer }
  | { readonly kind: "failed"; readonly message: string; readonly buffer: ArrayBuffer };
