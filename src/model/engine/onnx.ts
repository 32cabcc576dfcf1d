import { Worker } from "node:worker_threads";
import { messageOf, OperatorError } from "../../errors.js";
import { type Model, modelFile } from "../load.js";
import type { Engine, EngineOptions, Provider } from "./engine.js";
import type { Reply, Request, WorkerSetup } from "./onnx-worker.js";

/** Providers that onnxruntime-node knows by these names; it ignores a name it does not know. */
const KNOWN = new Set<string>(["cpu", "webgpu", "cuda"]);

/**
 * onnxruntime-node in a worker thread of its own: `session.run` blocks the thread it is called in. Falls back to
 * `cpu` with a warning unless `strict`.
 */
export async function openOnnx(model: Model, options: EngineOptions): Promise<Engine> {
  const bytes = await modelFile(model, "onnx");
  if (!KNOWN.has(options.provider))
    throw new OperatorError("ENGINE_PROVIDER", `provider ${options.provider} is not one of ${[...KNOWN].join(", ")}`);
  try {
    return await OnnxEngine.start(model, bytes, options.provider, options.threads);
  } catch (cause) {
    if (options.provider === "cpu" || options.strict)
      throw new OperatorError(
        "ENGINE_START",
        `model ${model.card.name}: onnxruntime cannot run it on ${options.provider}: ${firstLine(cause)}`,
        { cause },
      );
    options.warn(`${options.provider} cannot be used here (${firstLine(cause)}); running on cpu`);
    return OnnxEngine.start(model, bytes, "cpu", options.threads);
  }
}

function firstLine(error: unknown): string {
  return messageOf(error).split("\n")[0] ?? "";
}

class OnnxEngine implements Engine {
  readonly provider: Provider;
  readonly #worker: Worker;
  #waiting: { resolve(values: Float32Array): void; reject(error: Error): void } | undefined;
  #broken: Error | undefined;

  static start(model: Model, bytes: Uint8Array, provider: Provider, threads: number): Promise<Engine> {
    const { input, labels } = model.card;
    const setup: WorkerSetup = {
      model: bytes,
      provider,
      threads,
      width: input.width,
      height: input.height,
      classes: labels.length,
    };
    const worker = new Worker(new URL("./onnx-worker.js", import.meta.url), { workerData: setup });
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        void worker.terminate();
        reject(error);
      };
      worker.once("error", fail);
      worker.once("exit", (code) => reject(new Error(`its thread ended with code ${code}`)));
      worker.once("message", (reply: Reply) => {
        if ("error" in reply) return fail(new Error(reply.error));
        worker.removeAllListeners();
        resolve(new OnnxEngine(worker, provider));
      });
    });
  }

  private constructor(worker: Worker, provider: Provider) {
    this.#worker = worker;
    this.provider = provider;
    worker.on("message", (reply: Reply) => {
      const waiting = this.#waiting;
      this.#waiting = undefined;
      if ("probabilities" in reply) waiting?.resolve(reply.probabilities);
      else if ("error" in reply) waiting?.reject(new OperatorError("ENGINE_RUN", `classify: ${reply.error}`));
    });
    worker.on("error", (error) => this.#fail(messageOf(error)));
    worker.on("exit", () => this.#fail("it ended"));
  }

  run(crops: Float32Array<ArrayBuffer>, count: number): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      this.#waiting = { resolve, reject };
      const request: Request = { crops, count };
      this.#worker.postMessage(request, [crops.buffer]);
    });
  }

  async close(): Promise<void> {
    this.#fail("it was closed");
    await this.#worker.terminate();
  }

  #fail(why: string): void {
    this.#broken ??= new OperatorError("ENGINE_WORKER", `classify: the engine's thread is gone (${why})`);
    this.#waiting?.reject(this.#broken);
    this.#waiting = undefined;
  }
}
