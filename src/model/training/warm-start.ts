import { ModelError } from "../../errors.js";
import type { Batch } from "../data/index.js";
import { inferenceGraph } from "../layers/inference-graph.js";
import { BATCH_NORM_EPSILON, type Layer, type Shape } from "../layers/layer.js";
import type { GraphRead, Weights } from "../onnx/read.js";
import { InferenceSession, Tensor } from "../onnx/runtime.js";
import type { TrainingState } from "./state.js";

/**
 * Starts training from the weights of an inference model, whose batch norms are folded into its convolutions. Weights
 * are taken layer by layer in the graph's order; layers may be wider than the model's, and a last one for other classes
 * keeps its initial values. The batch norms are restored so that the network computes what the model did: each takes
 * the statistics of its convolution's output over `batches`, from which training then starts.
 *
 * Throws `ModelError` if the model has another architecture.
 *
 * @param classes which of the model's classes each class is; undefined if the model has others
 * @param what names the model in errors
 */
export async function warmStart(
  state: TrainingState,
  layers: readonly Layer[],
  input: Shape,
  model: GraphRead,
  classes: readonly number[] | undefined,
  batches: AsyncIterable<Batch>,
  what: string,
): Promise<void> {
  takeWeights(state, model, classes, what);
  const session = await InferenceSession.create(
    inferenceGraph(layers, input, state.views(state.weights), { statistics: true }),
  );
  try {
    await restoreNorms(state, input, session, batches);
  } finally {
    await session.release();
  }
  state.average.set(state.weights);
}

/** Copies weights and biases; a folded batch norm becomes one that only adds the folded bias. */
function takeWeights(
  state: TrainingState,
  { nodes, weights }: GraphRead,
  classes: readonly number[] | undefined,
  what: string,
): void {
  const views = state.views(state.weights);
  const own = state.parameters.filter(({ role }) => role === "weight");
  const theirs = nodes.filter(({ op }) => op === "Conv" || op === "Gemm");
  const fail = (why: string) =>
    new ModelError("WARM_START", `${what}: ${why}; start from a model with the recipe's own architecture`);
  if (own.length !== theirs.length)
    throw fail(
      `it has ${theirs.length} convolutions and linear layers, but the recipe's network has ${own.length}`,
    );
  for (const [i, { name, dims }] of own.entries()) {
    const [weight, bias] = (theirs[i]?.inputs ?? []).slice(1).map((input) => weights.get(input));
    const isLast = i === own.length - 1;
    if (isLast && !classes) continue;
    const order = (isLast && classes) || Array.from({ length: weight?.dims[0] ?? 0 }, (_, out) => out);
    if (weight === undefined || !fits(weight.dims, dims) || weight.dims[0] !== order.length)
      throw fail(
        `${name} is [${dims.join(", ")}], but the model's is [${weight?.dims.join(", ") ?? "unknown"}]`,
      );
    takeBlock(views.get(name) ?? new Float32Array(), dims, weight, order);
    const shift = views.get(biasOf(name)) ?? views.get(normOf(name, "beta"));
    shift?.set(order.map((from) => bias?.data[from] ?? 0));
    views.get(normOf(name, "variance"))?.fill(1 - BATCH_NORM_EPSILON);
  }
}

/** Whether weights [out, in, ...] fit into a layer, which may be wider. */
function fits(theirs: readonly number[], own: readonly number[]): boolean {
  const isIn = (size: number, i: number) => (i < 2 ? size <= (own[i] ?? 0) : size === own[i]);
  return theirs.length === own.length && theirs.every(isIn);
}

/**
 * Copies weights into a layer that may be wider. Channels that the model had ignore the new ones, so that the network
 * initially computes what the model does; the new ones keep their initial values (as in Net2Net, Chen et al. 2016).
 *
 * @param order which of the model's channels each of the first channels is
 */
function takeBlock(
  own: Float32Array,
  dims: readonly number[],
  theirs: Weights,
  order: readonly number[],
): void {
  const [, wide = 1, ...kernel] = dims;
  const [, narrow = 1] = theirs.dims;
  const area = kernel.reduce((a, b) => a * b, 1);
  for (const [o, from] of order.entries()) {
    own.fill(0, o * wide * area, (o + 1) * wide * area);
    own.set(theirs.data.subarray(from * narrow * area, (from + 1) * narrow * area), o * wide * area);
  }
}

/** Number of batches whose mean statistics the batch norms start from. */
const CALIBRATION_BATCHES = 16;

async function restoreNorms(
  state: TrainingState,
  input: Shape,
  session: InferenceSession,
  batches: AsyncIterable<Batch>,
): Promise<void> {
  const sums = new Map<string, Float64Array>();
  let count = 0;
  for await (const { x, size } of batches) {
    const {
      logits: _,
      probabilities: __,
      ...statistics
    } = await session.run({
      input: new Tensor("float32", x, [size, ...input]),
    });
    for (const [name, { data }] of Object.entries(statistics)) {
      const sum = sums.get(name) ?? new Float64Array(data.length);
      sums.set(
        name,
        sum.map((s, i) => s + Number(data[i])),
      );
    }
    count += 1;
    if (count === CALIBRATION_BATCHES) break;
  }
  const views = state.views(state.weights);
  for (const [name, sum] of sums) {
    const [kind, norm] = name.split(":");
    if (kind !== "mean" || norm === undefined) continue;
    const square = sums.get(`square:${norm}`);
    const [gamma, beta, mean, variance] = ["gamma", "beta", "mean", "variance"].map((role) =>
      views.get(`${norm}.${role}`),
    );
    for (let c = 0; c < sum.length && gamma && beta && mean && variance; c++) {
      const average = (sum[c] ?? 0) / count;
      const spread = Math.max(0, (square?.[c] ?? 0) / count - average ** 2);
      // Beta held the folded bias; without it, this is the convolution's output.
      mean[c] = average - (beta[c] ?? 0);
      variance[c] = spread;
      gamma[c] = Math.sqrt(spread + BATCH_NORM_EPSILON);
      beta[c] = average;
    }
  }
}

const biasOf = (weight: string): string => weight.replace(/weight$/, "bias");

/** A parameter of the batch norm that follows a convolution: `layers.3.weight` has `layers.4.beta`. */
function normOf(weight: string, role: string): string {
  return weight.replace(/(\d+)\.weight$/, (_, i: string) => `${Number(i) + 1}.${role}`);
}
