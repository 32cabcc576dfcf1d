/** Runs an expression model on batches of crops. */
export interface Engine {
  /** What the model runs on, as found after starting it: `cpu`, `webgpu`, `cuda`, `tensorflow`. */
  readonly provider: string;
  /**
   * Probabilities of `count` crops, `count * classes` values, row by row. One call at a time.
   * @param crops `count * height * width` values, already scaled as the card says; handed over for good
   */
  run(crops: Float32Array<ArrayBuffer>, count: number): Promise<Float32Array>;
  close(): Promise<void>;
}

export type Provider = "cpu" | "webgpu" | "cuda";

export interface EngineOptions {
  readonly engine: "onnx" | "tfjs";
  readonly provider: Provider;
  /** Threads of the CPU provider. */
  readonly threads: number;
  /** Fails where the provider cannot be had, instead of going on with `cpu`. */
  readonly strict: boolean;
  /** Told of a fall-back. */
  warn(message: string): void;
}
