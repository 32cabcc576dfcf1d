import { Worker } from "node:worker_threads";
import { type Static, Type } from "typebox";
import { DataError, messageOf } from "../../errors.js";
import { plural } from "../../text.js";
import type { AugmentOptions, Normalisation } from "./augment.js";
import type { BatchJob, BatchSetup } from "./batch-worker.js";
import { type Batch, type BatchSource, type FaceDataset, rowsOf } from "./dataset.js";
import { classWeights, epochOrder } from "./sampling.js";

/** How training pictures are drawn: the `sampling:` block of a recipe. */
export const SamplingOptions = Type.Object({
  balanced: Type.Boolean({
    default: false,
    description: "Draws every class equally often; small classes repeat.",
  }),
  classWeights: Type.Boolean({
    default: false,
    description: "Instead gives every class the same weight in the loss.",
  }),
  labelSmoothing: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 0.9,
    description: "Fraction of the target to spread over all classes.",
  }),
});
export type SamplingOptions = Static<typeof SamplingOptions>;

export interface BatchOptions {
  readonly batch: number;
  readonly seed: number;
  readonly splits: readonly string[];
  readonly sampling: SamplingOptions;
  readonly augment: AugmentOptions;
  readonly normalisation: Normalisation;
  /** Threads that prepare batches. Default 1, which prepares several times what two cores can train. */
  readonly workers?: number;
}

/** Batches that each thread prepares ahead: enough to bridge a training step that blocks the main thread. */
const AHEAD = 6;

/**
 * Starts threads that augment ahead of the trainer. Pictures at the end of an epoch that do not fill a batch are
 * dropped, so that every batch has the same size. Throws `DataError` if there are fewer pictures than one batch.
 */
export function batchSource(dataset: FaceDataset, options: BatchOptions): BatchSource {
  return new ThreadedBatches(dataset, options);
}

class ThreadedBatches implements BatchSource {
  readonly batchesPerEpoch: number;
  readonly #dataset: FaceDataset;
  readonly #options: BatchOptions;
  readonly #rows: Uint32Array;
  readonly #workers: Worker[];
  /**
   * Batches that have arrived, and the calls waiting for them, by `run:batch`, where `run` counts the calls of `epoch`.
   */
  readonly #arrived = new Map<string, Batch>();
  readonly #waiting = new Map<string, (batch: Batch | undefined) => void>();
  #run = 0;
  #failure: Error | undefined;

  constructor(dataset: FaceDataset, options: BatchOptions) {
    this.#dataset = dataset;
    this.#options = options;
    this.#rows = rowsOf(dataset, options.splits);
    this.batchesPerEpoch = Math.floor(this.#rows.length / options.batch);
    if (this.batchesPerEpoch === 0)
      throw new DataError(
        "DATA_FEW",
        `${dataset.name}: ${plural(this.#rows.length, "picture")} in ${options.splits.join(", ")} (the data set has ${dataset.splits.join(", ")}), fewer than one batch of ${options.batch}; add pictures or reduce the batch size`,
      );
    const setup: BatchSetup = {
      dataset: { ...dataset, ids: [] }, // the threads do not use them, and would each get a copy
      seed: options.seed,
      augment: options.augment,
      normalisation: options.normalisation,
      labelSmoothing: options.sampling.labelSmoothing,
      weights: options.sampling.classWeights
        ? classWeights(dataset, options.splits)
        : new Float32Array(dataset.labels.length).fill(1),
    };
    this.#workers = Array.from({ length: options.workers ?? 1 }, () => this.#start(setup));
  }

  #start(setup: BatchSetup): Worker {
    const worker = new Worker(new URL("./batch-worker.js", import.meta.url), { workerData: setup });
    worker.on("message", ({ key, batch }: { key: string; batch: Batch }) => {
      const waiting = this.#waiting.get(key);
      this.#waiting.delete(key);
      if (waiting) waiting(batch);
      else if (key.startsWith(`${this.#run}:`)) this.#arrived.set(key, batch);
    });
    const fail = (why: string) => {
      this.#failure ??= new DataError("DATA_WORKER", `the thread that prepares batches died: ${why}`);
      for (const waiting of this.#waiting.values()) waiting(undefined);
      this.#waiting.clear();
    };
    worker.on("error", (error) => fail(messageOf(error)));
    worker.on("exit", () => fail("it exited"));
    return worker;
  }

  async *epoch(number: number): AsyncGenerator<Batch> {
    const { batch, seed, sampling } = this.#options;
    const order = epochOrder(this.#dataset, this.#rows, sampling.balanced, seed, number);
    const run = ++this.#run;
    this.#arrived.clear();
    const ahead = AHEAD * this.#workers.length;
    const ask = (b: number) => {
      if (b >= this.batchesPerEpoch) return;
      const job: BatchJob = {
        key: `${run}:${b}`,
        epoch: number,
        first: b * batch,
        rows: order.slice(b * batch, (b + 1) * batch),
      };
      this.#workers[b % this.#workers.length]?.postMessage(job);
    };
    for (let b = 0; b < ahead; b++) ask(b);
    for (let b = 0; b < this.batchesPerEpoch; b++) {
      const ready = await this.#take(`${run}:${b}`);
      ask(b + ahead);
      yield ready;
      if (run !== this.#run) return;
    }
  }

  async #take(key: string): Promise<Batch> {
    const here = this.#arrived.get(key);
    this.#arrived.delete(key);
    if (here) return here;
    const batch = this.#failure
      ? undefined
      : await new Promise<Batch | undefined>((resolve) => this.#waiting.set(key, resolve));
    if (batch) return batch;
    throw this.#failure ?? new DataError("DATA_WORKER", "the thread that prepares batches exited");
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
