import { type Static, Type } from "typebox";
import { isLearnt } from "../layers/parameters.js";
import type { TrainingState } from "./state.js";

export const OptimiserOptions = Type.Object({
  type: Type.Union([Type.Literal("sgd"), Type.Literal("adam")], {
    default: "adam",
    description: "`sgd`: with Nesterov momentum. `adam`: with decoupled weight decay (AdamW).",
  }),
  rate: Type.Number({ default: 0.001, exclusiveMinimum: 0, description: "Highest learning rate." }),
  momentum: Type.Number({ default: 0.9, minimum: 0, exclusiveMaximum: 1, description: "Momentum of `sgd`." }),
  beta1: Type.Number({
    default: 0.9,
    minimum: 0,
    exclusiveMaximum: 1,
    description: "First-moment decay of `adam`.",
  }),
  beta2: Type.Number({
    default: 0.999,
    minimum: 0,
    exclusiveMaximum: 1,
    description: "Second-moment decay of `adam`.",
  }),
  weightDecay: Type.Number({
    default: 0,
    minimum: 0,
    description: "Pulls weights towards 0, except biases and batch norm.",
  }),
});
export type OptimiserOptions = Static<typeof OptimiserOptions>;

const ADAM_EPSILON = 1e-8;

/**
 * Updates the learnt weights by one step, in place.
 *
 * @param gradient flat, laid out like the leading part of `state.weights`
 * @param rate learning rate of this step
 * @param step 1 for the first
 */
export function optimise(
  options: OptimiserOptions,
  state: TrainingState,
  gradient: Float32Array,
  rate: number,
  step: number,
): void {
  let start = 0;
  for (const parameter of state.parameters.filter(isLearnt)) {
    const end = start + parameter.size;
    const decay = parameter.role === "weight" ? options.weightDecay : 0;
    const range = { start, end, decay, rate };
    if (options.type === "sgd") sgd(state, gradient, options.momentum, range);
    else adam(state, gradient, options.beta1, options.beta2, step, range);
    start = end;
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
  readonly decay: number;
  readonly rate: number;
}

/** Nesterov momentum, in the form that PyTorch uses. */
function sgd(state: TrainingState, gradient: Float32Array, momentum: number, range: Range): void {
  const { weights, moments } = state;
  const [velocity] = moments;
  for (let i = range.start; i < range.end; i++) {
    const w = weights[i] ?? 0;
    const g = (gradient[i] ?? 0) + range.decay * w;
    const v = momentum * (velocity[i] ?? 0) + g;
    velocity[i] = v;
    weights[i] = w - range.rate * (g + momentum * v);
  }
}

/** Kingma and Ba, 2015; weight decay applies to the weight itself (AdamW, Loshchilov and Hutter, 2019). */
function adam(
  state: TrainingState,
  gradient: Float32Array,
  beta1: number,
  beta2: number,
  step: number,
  range: Range,
): void {
  const { weights, moments } = state;
  const [mean, square] = moments;
  const rate = range.rate / (1 - beta1 ** step);
  const unbias = 1 / (1 - beta2 ** step);
  for (let i = range.start; i < range.end; i++) {
    const g = gradient[i] ?? 0;
    const w = weights[i] ?? 0;
    const m = beta1 * (mean[i] ?? 0) + (1 - beta1) * g;
    const s = beta2 * (square[i] ?? 0) + (1 - beta2) * g * g;
    mean[i] = m;
    square[i] = s;
    weights[i] = w - range.rate * range.decay * w - (rate * m) / (Math.sqrt(s * unbias) + ADAM_EPSILON);
  }
}

/** Scales a gradient down to a length of at most `limit`. Returns the length it had. */
export function clipNorm(gradient: Float32Array, limit: number): number {
  let sum = 0;
  for (const g of gradient) sum += g * g;
  const length = Math.sqrt(sum);
  if (length > limit) {
    const scale = limit / length;
    for (let i = 0; i < gradient.length; i++) gradient[i] = (gradient[i] ?? 0) * scale;
  }
  return length;
}

/**
 * Moves the average towards the weights: slowly, but faster in the first steps, while the weights are still far off.
 */
export function moveAverage(state: TrainingState, decay: number, step: number): void {
  const keep = Math.min(decay, (1 + step) / (10 + step));
  const { weights, average } = state;
  for (let i = 0; i < weights.length; i++) {
    const a = average[i] ?? 0;
    average[i] = a + (1 - keep) * ((weights[i] ?? 0) - a);
  }
}
