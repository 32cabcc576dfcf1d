import { ModelError } from "../../errors.js";
import type { ModelCard } from "../card.js";
import type { GraphBuilder } from "../onnx/graph.js";
import type { GraphRead, NodeRead, Weights } from "../onnx/read.js";
import { GraphCopy } from "./copy.js";
import { type Range, rangesOf } from "./ranges.js";

/**
 * Seven bits: processors without 8-bit dot products (AVX2) add two 8-bit products in 16 bits with saturation, which
 * only smaller weights never reach. This way a model gives the same results everywhere; with 127, `fer2013-small` lost
 * two points there.
 */
const LARGEST_WEIGHT = 63;
const LARGEST_VALUE = 255;
/** Half of the 32-bit range, since the products are added to it. */
const LARGEST_BIAS = 2 ** 30;
/** The scale of a smaller range would be 0 as a 32-bit float. */
const NOTHING = 1e-30;

/** Runtimes compute these in 8 bits, and any nodes between them that only pass on values. */
const IN_8_BITS: ReadonlySet<string> = new Set([
  "Conv",
  "Add",
  "AveragePool",
  "MaxPool",
  "GlobalAveragePool",
]);

const FLATTENING: ReadonlySet<string> = new Set(["Flatten", "Gemm", "MatMul"]);

/**
 * The model in 8 bits: convolutions get a weight scale per output channel, and each value a scale that covers its range
 * over `batches`, in the form that every runtime accepts (ONNX QuantizeLinear and DequantizeLinear around the nodes:
 * QDQ). Inputs and outputs stay 32-bit floats, and so does the last linear layer.
 *
 * @param batches normalised pictures `[n, 1, height, width]` of training data
 * @throws ModelError if the graph has no convolution that would gain from it, or cannot be copied
 */
export async function quantize(
  model: GraphRead,
  card: ModelCard,
  batches: Iterable<Float32Array>,
): Promise<Uint8Array> {
  const { height, width } = card.input;
  const flat = flatValues(model);
  const nodes = model.nodes.filter((node) => isIn8Bits(node, model, flat));
  if (!nodes.some(({ op }) => op === "Conv"))
    throw new ModelError(
      "QUANTIZE",
      `model ${card.name}: it has no convolution that 8 bits would make faster`,
    );
  const names = [...new Set(nodes.flatMap((node) => valuesOf(node)))];
  const ranges = await rangesOf(model, names, [height, width], batches);
  return new Emitter(model, card, ranges, new Set(nodes)).emit();
}

/** Convolutions only if their weights are constant; sums only of feature maps. */
function isIn8Bits({ op, inputs }: NodeRead, { weights }: GraphRead, flat: ReadonlySet<string>): boolean {
  const [, weight = "", bias = ""] = inputs;
  if (op === "Conv") return weights.has(weight) && weights.has(bias);
  return IN_8_BITS.has(op) && !inputs.some((name) => flat.has(name));
}

/**
 * Values behind the last feature map, such as the two sides' logits in a model that also looks at the mirror image:
 * rounding these few numbers gains nothing.
 */
function flatValues({ nodes, weights, integers }: GraphRead): Set<string> {
  const flat = new Set<string>();
  for (const { op, inputs, outputs } of nodes) {
    const values = inputs.filter((name) => name !== "" && !weights.has(name) && !integers.has(name));
    const isFlat = FLATTENING.has(op) || (values.length > 0 && values.every((name) => flat.has(name)));
    if (isFlat) for (const name of outputs) flat.add(name);
  }
  return flat;
}

/** A node's inputs that are computed, not learnt. */
function valuesOf({ op, inputs }: NodeRead): readonly string[] {
  return op === "Conv" ? inputs.slice(0, 1) : inputs;
}

class Emitter {
  readonly #model: GraphRead;
  readonly #card: ModelCard;
  readonly #ranges: ReadonlyMap<string, Range>;
  readonly #in8Bits: ReadonlySet<NodeRead>;
  readonly #copy: GraphCopy;
  readonly #graph: GraphBuilder;
  /** Values of the original graph that have been rounded to 8 bits. */
  readonly #rounded = new Map<string, string>();

  constructor(
    model: GraphRead,
    card: ModelCard,
    ranges: ReadonlyMap<string, Range>,
    in8Bits: ReadonlySet<NodeRead>,
  ) {
    this.#model = model;
    this.#card = card;
    this.#ranges = ranges;
    this.#in8Bits = in8Bits;
    this.#copy = new GraphCopy(model, ["N", 1, card.input.height, card.input.width]);
    this.#graph = this.#copy.graph;
  }

  emit(): Uint8Array {
    for (const node of this.#model.nodes)
      if (!this.#in8Bits.has(node)) this.#copy.node(node);
      else if (node.op === "Conv") this.#conv(node);
      else
        this.#copy.node(
          node,
          node.inputs.map((name) => this.#round(name)),
        );
    // A model needs no `logits`.
    for (const name of this.#copy.has("logits") ? ["logits", "probabilities"] : ["probabilities"])
      this.#graph.output(name, this.#copy.value(name), ["N", this.#card.labels.length]);
    return this.#graph.encode();
  }

  #conv(node: NodeRead): void {
    const [x = "", weight = "", bias = ""] = node.inputs;
    const input = scaleOf(this.#ranges.get(x)).scale;
    const biases = this.#weights(bias).data;
    const least = biases.map((value) => Math.abs(value) / (LARGEST_BIAS * input));
    const { scales, rounded } = roundWeights(this.#weights(weight), least);
    const biasScales = scales.map((scale) => scale * input);
    const shifts = Int32Array.from(biases, (value, i) => Math.round(value / (biasScales[i] ?? 1)));
    const { dims } = this.#weights(weight);
    this.#copy.node(node, [
      this.#round(x),
      this.#dequantized(dims, rounded, scales, new Int8Array(scales.length)),
      this.#dequantized([scales.length], shifts, biasScales, new Int32Array(scales.length)),
    ]);
  }

  #weights(name: string): Weights {
    return this.#model.weights.get(name) ?? { dims: [], data: new Float32Array() };
  }

  #dequantized(
    dims: readonly number[],
    data: Int8Array | Int32Array,
    scales: Float32Array,
    zeros: Int8Array | Int32Array,
  ): string {
    const graph = this.#graph;
    const by = [scales.length];
    const inputs = [graph.tensor(dims, data), graph.tensor(by, scales), graph.tensor(by, zeros)];
    return graph.node("DequantizeLinear", inputs, { axis: 0 });
  }

  /** The value, rounded to 8 bits. */
  #round(name: string): string {
    const known = this.#rounded.get(name);
    if (known !== undefined) return known;
    const graph = this.#graph;
    const { scale, zero } = scaleOf(this.#ranges.get(name));
    const by = [graph.scalar(scale), graph.tensor([], Uint8Array.of(zero))];
    const small = graph.node("QuantizeLinear", [this.#copy.value(name), ...by]);
    const own = graph.node("DequantizeLinear", [small, ...by]);
    this.#rounded.set(name, own);
    return own;
  }
}

/**
 * Rounds weights `[out, ...]` with a separate scale for each output channel.
 *
 * @param least minimum of each scale, so that the channel's bias fits its 32 bits
 */
export function roundWeights(
  { dims, data }: Weights,
  least: Float32Array = new Float32Array(),
): { scales: Float32Array; rounded: Int8Array } {
  const [channels = 1] = dims;
  const each = data.length / channels;
  const scales = new Float32Array(channels);
  const rounded = new Int8Array(data.length);
  for (let channel = 0; channel < channels; channel++) {
    const own = data.subarray(channel * each, (channel + 1) * each);
    const largest = own.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const fit = largest > NOTHING ? largest / LARGEST_WEIGHT : 1;
    const scale = Math.max(fit, least[channel] ?? 0);
    scales[channel] = scale;
    for (const [i, weight] of own.entries()) rounded[channel * each + i] = Math.round(weight / scale);
  }
  return { scales, rounded };
}

/** Scale and zero point for unsigned 8 bits: `value = (bits - zero) * scale`, and 0 is exact. */
export function scaleOf({ low, high }: Range = { low: 0, high: 1 }): { scale: number; zero: number } {
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
  const scale = Math.fround((to - from > NOTHING ? to - from : 1) / LARGEST_VALUE);
  return { scale, zero: Math.round(-from / scale) };
}
