import { Worker } from "node:worker_threads";
import { ConfigError, ModelError, messageOf, OperatorError } from "../../errors.js";
import { type Model, modelFile } from "../load.js";
import "../onnx/no-telemetry.js";
import { tfjsFiles } from "../tfjs/index.js";
import {
  CLOSE,
  type Engine,
  type EngineAnswer,
  type EngineJob,
  type EngineOptions,
  type EngineSetup,
  type Precision,
} from "./engine.js";

/**
 * Starts a model in its own thread and runs it once, so that the first face does not wait. Throws `ModelError` if the
 * model does not match its card, `ConfigError` if the engine is not installed, `OperatorError` if the provider is not
 * available and `strict` is set.
 */
export async function openEngine(model: Model, options: EngineOptions = {}): Promise<Engine> {
  const { card } = model;
  const engine = options.engine ?? "onnx";
  if (options.precision === "int8" && engine !== "onnx")
    throw new ConfigError(
      "ENGINE_PRECISION",
      `precision int8 is for the onnx engine, not for ${engine}; remove one of the two`,
    );
  const setup: EngineSetup = {
    engine,
    provider: options.provider ?? "cpu",
    threads: options.threads ?? 1,
    strict: options.strict ?? false,
    files: await checkedFiles(model, engine, options.precision ?? "float32"),
    width: card.input.width,
    height: card.input.height,
    classes: card.labels.length,
  };
  const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: setup });
  const { provider, warning } = await started(worker, `model ${card.name}`);
  if (warning !== undefined) options.warn?.(`model ${card.name}: ${warning}`);
  return new EngineThread(worker, options.precision === "int8" ? `${provider}, 8 bits` : provider, card.name);
}

async function checkedFiles(
  model: Model,
  engine: EngineSetup["engine"],
  precision: Precision,
): Promise<EngineSetup["files"]> {
  if (engine === "tfjs") {
    const { json, weights } = await tfjsFiles(model);
    return [json, weights];
  }
  return [await modelFile(model, precision === "int8" ? "onnx-int8" : "onnx")];
}

type Ready = EngineAnswer & { kind: "ready" };

function started(worker: Worker, what: string): Promise<Ready> {
  return new Promise<Ready>((resolve, reject) => {
    // Not `removeAllListeners`: the worker has internal ones, without which no more messages arrive.
    const unlisten = () => worker.off("message", onMessage).off("error", onError).off("exit", onExit);
    const refuse = async (error: Error) => {
      unlisten();
      await worker.terminate();
      reject(error);
    };
    const onMessage = (answer: EngineAnswer) => {
      if (answer.kind === "ready") {
        unlisten();
        resolve(answer);
      } else if (answer.kind === "refused") void refuse(refusal(answer.code, `${what}: ${answer.message}`));
    };
    const onError = (error: Error) => void refuse(died(what, messageOf(error), error));
    const onExit = () => void refuse(died(what, "it exited"));
    worker.on("message", onMessage).on("error", onError).on("exit", onExit);
  });
}

/** Recreates the thread's error in its own class, since classes do not cross threads. */
function refusal(code: string, message: string): Error {
  if (code.startsWith("MODEL_")) return new ModelError(code, message);
  if (code === "TFJS_MISSING" || code === "ONNXRUNTIME_MISSING") return new ConfigError(code, message);
  return new OperatorError(code, message);
}

function died(what: string, why: string, cause?: unknown): OperatorError {
  return new OperatorError("ENGINE_WORKER", `${what}: its thread died (${why}); start the run again`, {
    cause,
  });
}

interface Call {
  resolve(probabilities: Float32Array): void;
  reject(error: Error): void;
}

class EngineThread implements Engine {
  readonly provider: string;
  readonly #worker: Worker;
  readonly #what: string;
  /** Calls in progress, oldest first: the thread answers in order. */
  readonly #calls: Call[] = [];
  /** Idle buffers, which travel to the thread and back. */
  readonly #idle: ArrayBuffer[] = [];
  readonly #exited: Promise<void>;
  #broken: OperatorError | undefined;

  constructor(worker: Worker, provider: string, name: string) {
    this.provider = provider;
    this.#worker = worker;
    this.#what = `model ${name}`;
    worker.on("message", (answer: EngineAnswer) => this.#settle(answer));
    worker.on("error", (error) => this.#fail(died(this.#what, messageOf(error), error)));
    this.#exited = new Promise((resolve) => {
      worker.on("exit", () => {
        this.#fail(died(this.#what, "it exited"));
        resolve();
      });
    });
  }

  run(crops: Float32Array, n: number): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      const spare = this.#idle.pop();
      const buffer =
        spare && spare.byteLength >= crops.byteLength ? spare : new ArrayBuffer(crops.byteLength);
      new Float32Array(buffer).set(crops);
      const job: EngineJob = { buffer, n };
      this.#calls.push({ resolve, reject });
      this.#worker.postMessage(job, [buffer]);
    });
  }

  async close(): Promise<void> {
    this.#fail(new OperatorError("ENGINE_CLOSED", `${this.#what}: the engine was closed`));
    // Terminating a thread while onnxruntime is running crashes the whole process.
    this.#worker.postMessage(CLOSE);
    await this.#exited;
  }

  #settle(answer: EngineAnswer): void {
    if (answer.kind !== "done" && answer.kind !== "failed") return;
    this.#idle.push(answer.buffer);
    const call = this.#calls.shift();
    if (answer.kind === "done") call?.resolve(answer.probabilities);
    else call?.reject(new OperatorError("ENGINE_RUN", `${this.#what}: ${answer.message}`));
  }

  /** Keeps the first failure: it rejects all calls in progress and to come. */
  #fail(error: OperatorError): void {
    if (this.#broken) return;
    this.#broken = error;
    for (const call of this.#calls.splice(0)) call.reject(error);
  }
}
