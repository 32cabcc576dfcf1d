import type { Batch } from "../data/index.js";
import type { Random } from "../data/random.js";
import type { Layer, Shape } from "../layers/layer.js";
import { isLearnt } from "../layers/parameters.js";
import { type TrainingGraph, trainingGraph } from "../layers/training-graph.js";
import { InferenceSession, Tensor } from "../onnx/runtime.js";
import type { TrainingState } from "./state.js";

/** Share of a new batch in the running statistics of batch norm. */
const STATISTICS_SHARE = 0.1;

/** Runs the training graph on one batch after the other. */
export class TrainingStep {
  /** Flat, as the learnt part of the state's weights; of the last batch. */
  readonly gradient: Float32Array;
  readonly #graph: TrainingGraph;
  readonly #session: InferenceSession;
  readonly #state: TrainingState;
  readonly #weights: ReadonlyMap<string, Tensor>;

  private constructor(graph: TrainingGraph, session: InferenceSession, state: TrainingState) {
    this.#graph = graph;
    this.#session = session;
    this.#state = state;
    this.gradient = new Float32Array(state.learnt);
    const views = state.views(state.weights);
    // Tensors over the state's own memory: what the optimiser writes is what the next run reads.
    this.#weights = new Map(
      state.parameters
        .filter(isLearnt)
        .map(({ name, dims }) => [name, new Tensor("float32", views.get(name) ?? new Float32Array(), dims)]),
    );
  }

  static async open(
    layers: readonly Layer[],
    input: Shape,
    batch: number,
    state: TrainingState,
    threads: number,
  ): Promise<TrainingStep> {
    const graph = trainingGraph(layers, input, batch);
    const session = await InferenceSession.create(graph.model, { intraOpNumThreads: threads });
    return new TrainingStep(graph, session, state);
  }

  /**
   * Forward and backward; fills `gradient` and moves the batch norms' statistics.
   *
   * @param random decides what is dropped out
   * @returns the batch's mean loss and its logits
   */
  async run({ x, y, weight, size }: Batch, random: Random): Promise<{ loss: number; logits: Float32Array }> {
    const classes = y.length / size;
    const targets = y.map((value, i) => value * (weight[Math.floor(i / classes)] ?? 1));
    const feeds: Record<string, Tensor> = {
      x: new Tensor("float32", x, [size, ...this.#graph.input]),
      y: new Tensor("float32", targets, [size, classes]),
      ...Object.fromEntries(this.#weights),
    };
    for (const { name, rate, dims } of this.#graph.masks) feeds[name] = dropoutMask(dims, rate, random);
    const results = await this.#session.run(feeds);
    const read = (name: string) => (results[name]?.data ?? new Float32Array()) as Float32Array;
    let end = 0;
    for (const { name, size } of this.#state.parameters.filter(isLearnt)) {
      this.gradient.set(read(`gradient:${name}`), end);
      end += size;
    }
    this.#gather(read, size);
    return { loss: read("loss")[0] ?? Number.NaN, logits: read("logits") };
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  #gather(read: (name: string) => Float32Array, size: number): void {
    const running = this.#state.views(this.#state.weights);
    for (const parameter of this.#state.parameters.filter((p) => !isLearnt(p))) {
      const own = running.get(parameter.name);
      const batch = read(`batch:${parameter.name}`);
      // The variance of the whole set is estimated from the batch without bias.
      const count = size * parameter.fan.in;
      const scale = parameter.role === "variance" ? count / Math.max(1, count - 1) : 1;
      for (let i = 0; own && i < own.length; i++)
        own[i] = (own[i] ?? 0) * (1 - STATISTICS_SHARE) + (batch[i] ?? 0) * scale * STATISTICS_SHARE;
    }
  }
}

function dropoutMask(dims: readonly number[], rate: number, random: Random): Tensor {
  const mask = new Float32Array(dims.reduce((a, b) => a * b, 1));
  const kept = 1 / (1 - rate);
  for (let i = 0; i < mask.length; i++) mask[i] = random.next() < rate ? 0 : kept;
  return new Tensor("float32", mask, dims);
}
