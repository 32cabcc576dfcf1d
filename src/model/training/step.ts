import { Worker } from "node:worker_threads";
import { ModelError, messageOf } from "../../errors.js";
import type { Batch } from "../data/index.js";
import type { Layer, Shape } from "../layers/layer.js";
import { isLearnt } from "../layers/parameters.js";
import type { TrainingState } from "./state.js";
import type { CLOSE, PartAnswer, PartJob, StepSetup } from "./step-worker.js";

/** Share of a new batch in the running statistics of batch norm. */
const STATISTICS_SHARE = 0.1;

/** Fewest pictures in a part, because batch norm takes its statistics from a part. */
const LEAST_PICTURES = 16;
const MOST_PARTS = 16;

/**
 * How many equal parts a batch is divided into. Depends on nothing else, so that a run gives the same figures with any
 * number of threads.
 */
export function partsOf(batch: number): number {
  let parts = Math.min(MOST_PARTS, Math.max(1, Math.floor(batch / LEAST_PICTURES)));
  while (batch % parts !== 0) parts -= 1;
  return parts;
}

export interface StepOptions {
  /** Pictures in a batch. */
  readonly batch: number;
  /** Determines what is dropped out. */
  readonly seed: number;
  readonly threads: number;
}

/**
 * Runs forward and backward pass, batch after batch. Each thread runs the training graph on its own part of the batch,
 * because one graph on several threads gains almost nothing: 185 pictures a second on two threads, 180 on one.
 */
export class TrainingStep {
  /** Gradient of the last batch; flat, like the learnt part of the state's weights. */
  readonly gradient: Float32Array;
  readonly #state: TrainingState;
  readonly #parts: number;
  readonly #results: Float32Array;
  readonly #threads: readonly PartThread[];

  /** `state` must not change while a batch is running. */
  constructor(layers: readonly Layer[], input: Shape, state: TrainingState, options: StepOptions) {
    const { batch, seed, threads } = options;
    const { weights, parameters, learnt } = state;
    this.#state = state;
    this.#parts = partsOf(batch);
    const bytes = this.#parts * weights.byteLength;
    const results = new Float32Array(new SharedArrayBuffer(bytes));
    const pictures = batch / this.#parts;
    const setup: StepSetup = { layers, input, pictures, seed, parameters, weights, results };
    this.#results = results;
    this.#threads = Array.from({ length: Math.min(threads, this.#parts) }, () => new PartThread(setup));
    this.gradient = new Float32Array(learnt);
  }

  /**
   * Fills `gradient` and updates the batch norms' statistics. Throws `ModelError` if a thread died.
   *
   * @param step determines, with the seed, what is dropped out
   * @returns the batch's mean loss and its logits
   */
  async run(batch: Batch, step: number): Promise<{ loss: number; logits: Float32Array }> {
    const answers: PartAnswer[] = [];
    let next = 0;
    const work = async (thread: PartThread): Promise<void> => {
      while (next < this.#parts) {
        const part = next++;
        answers[part] = await thread.run({ part, step, ...cut(batch, part, this.#parts) });
      }
    };
    await Promise.all(this.#threads.map(work));
    this.#sumGradients();
    this.#moveStatistics(batch.size / this.#parts);
    const logits = new Float32Array(batch.y.length);
    answers.forEach((answer, part) => {
      logits.set(answer.logits, part * answer.logits.length);
    });
    return { loss: answers.reduce((sum, { loss }) => sum + loss, 0) / this.#parts, logits };
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  /** The batch's mean is the mean of its parts' means, because the parts are equally large. */
  #sumGradients(): void {
    const { gradient } = this;
    const results = this.#results;
    const stride = this.#state.weights.length;
    const share = 1 / this.#parts;
    for (let i = 0; i < gradient.length; i++) {
      let sum = 0;
      for (let at = i; at < results.length; at += stride) sum += results[at] ?? 0;
      gradient[i] = sum * share;
    }
  }

  #moveStatistics(pictures: number): void {
    const { parameters, learnt, weights } = this.#state;
    let i = learnt;
    for (const { role, size, fan } of parameters.filter((parameter) => !isLearnt(parameter))) {
      // Unbiased estimate of the whole set's variance from the part.
      const count = pictures * fan.in;
      const scale = role === "variance" ? count / Math.max(1, count - 1) : 1;
      for (const end = i + size; i < end; i++) {
        let sum = 0;
        for (let at = i; at < this.#results.length; at += weights.length) sum += this.#results[at] ?? 0;
        const mean = (sum / this.#parts) * scale;
        weights[i] = (weights[i] ?? 0) * (1 - STATISTICS_SHARE) + mean * STATISTICS_SHARE;
      }
    }
  }
}

function cut({ x, y, weight, size }: Batch, part: number, parts: number): Pick<PartJob, "x" | "y"> {
  const pictures = size / parts;
  const of = (values: Float32Array) => {
    const each = values.length / parts;
    return values.slice(part * each, (part + 1) * each);
  };
  const classes = y.length / size;
  const targets = of(y).map((t, i) => t * (weight[part * pictures + Math.floor(i / classes)] ?? 1));
  return { x: of(x), y: targets };
}

/** A thread that takes one part at a time. */
class PartThread {
  readonly #worker: Worker;
  #settle: { done(answer: PartAnswer): void; fail(error: Error): void } | undefined;
  readonly #ended: Promise<unknown>;
  #failure: Error | undefined;

  constructor(setup: StepSetup) {
    this.#worker = new Worker(new URL("./step-worker.js", import.meta.url), { workerData: setup });
    this.#worker.on("message", (answer: PartAnswer) => this.#settle?.done(answer));
    const fail = (why: string) => {
      this.#failure ??= new ModelError("TRAINING_WORKER", `a training thread died: ${why}`);
      this.#settle?.fail(this.#failure);
    };
    this.#worker.on("error", (error) => fail(messageOf(error)));
    this.#ended = new Promise((resolve) => this.#worker.on("exit", resolve));
    this.#worker.on("exit", () => fail("it exited"));
  }

  run(job: PartJob): Promise<PartAnswer> {
    return new Promise((done, fail) => {
      this.#settle = { done, fail };
      if (this.#failure) fail(this.#failure);
      else this.#worker.postMessage(job, [job.x.buffer as ArrayBuffer, job.y.buffer as ArrayBuffer]);
    });
  }

  async close(): Promise<void> {
    this.#worker.postMessage("close" satisfies typeof CLOSE);
    await this.#ended;
  }
}
