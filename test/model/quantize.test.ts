import assert from "node:assert/strict";
import fc from "fast-check";
import { ARCHITECTURES } from "#src/model/architectures/index.js";
import type { ModelCard } from "#src/model/card.js";
import { Random } from "#src/model/data/random.js";
import { inferenceGraph } from "#src/model/layers/inference-graph.js";
import { conv, globalAvgPool, linear, relu } from "#src/model/layers/layer.js";
import { parametersOf } from "#src/model/layers/parameters.js";
import { loadModel } from "#src/model/load.js";
import { GraphBuilder } from "#src/model/onnx/graph.js";
import { readGraph } from "#src/model/onnx/read.js";
import { InferenceSession, Tensor } from "#src/model/onnx/runtime.js";
import { quantize, roundWeights, scaleOf } from "#src/model/quantize/index.js";
import { TrainingState } from "#src/model/training/state.js";

const SIZE = 16;
const INPUT = [1, SIZE, SIZE] as const;

/** Smooth pictures, like faces. */
function pictures(n: number, seed: number): Float32Array {
  const random = new Random(seed, 0);
  const out = new Float32Array(n * SIZE * SIZE);
  for (let i = 0; i < n; i++) {
    const [a, b, c] = [random.next() * 6, random.next() * 6, random.next()];
    for (let p = 0; p < SIZE * SIZE; p++)
      out[i * SIZE * SIZE + p] = Math.sin((p % SIZE) / a + c) * Math.cos(Math.floor(p / SIZE) / b);
  }
  return out;
}

const logitsOf = (model: Uint8Array, batch: Float32Array) => outputOf(model, batch, "logits");

async function outputOf(
  model: Uint8Array,
  batch: Float32Array,
  name = "probabilities",
): Promise<Float32Array> {
  const session = await InferenceSession.create(model);
  try {
    const input = new Tensor("float32", batch, [batch.length / SIZE ** 2, ...INPUT]);
    const { [name]: output } = await session.run({ input });
    return output?.data as Float32Array;
  } finally {
    await session.release();
  }
}

describe("a model in 8 bits", () => {
  for (const mirror of [false, true])
    it(`${mirror ? "with its mirror image " : ""}predicts nearly what it did in floats, in a quarter of the bytes`, async () => {
      const layers = ARCHITECTURES.small(7, 0);
      const state = new TrainingState(parametersOf(layers, INPUT), 5);
      const whole = inferenceGraph(layers, INPUT, state.views(state.weights), { mirror });
      const { card: shipped } = await loadModel("fer2013-small", ".");
      const card: ModelCard = { ...shipped, input: { ...shipped.input, width: SIZE, height: SIZE } };
      const graph = readGraph(whole, "model");
      const small = await quantize(graph, card, [pictures(32, 1), pictures(32, 2)]);
      assert.ok(small.length < whole.length * 0.3, `${small.length} of ${whole.length}`);
      const { nodes } = readGraph(small, "model in 8 bits");
      const convolutions = nodes.filter(({ op }) => op === "Conv");
      const rounded = new Set(
        nodes.filter(({ op }) => op === "DequantizeLinear").map(({ outputs }) => outputs[0]),
      );
      for (const { inputs } of convolutions) for (const input of inputs) assert.ok(rounded.has(input), input);
      const sides = new Set(nodes.flatMap(({ op, outputs }) => (op === "Split" ? outputs : [])));
      assert.equal(sides.size, mirror ? 2 : 0);
      const rounds = nodes.filter(({ op }) => op === "QuantizeLinear");
      assert.ok(
        !rounds.some(({ inputs: [from = ""] }) => sides.has(from)),
        "the two sides' logits are rounded",
      );

      const unseen = pictures(32, 3);
      const [floats, bits] = [await logitsOf(whole, unseen), await logitsOf(small, unseen)];
      // Relative to how far apart the network tells pictures: one that says the same of all would prove nothing.
      const apart = Math.max(...floats.map((z, i) => Math.abs(z - (bits[i] ?? Number.NaN))));
      const spread = Math.max(...floats) - Math.min(...floats);
      assert.ok(apart < 0.15 * spread, `logits up to ${apart} apart, of ${spread}`);
    });

  it("has weights within half a step of the floats, each channel with its own scale, none beyond 7 bits", () => {
    const weights = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(weights, (values) => {
        const data = Float32Array.from(values);
        const { scales, rounded } = roundWeights({ dims: [2, 3], data });
        for (const [i, weight] of data.entries()) {
          const scale = scales[Math.floor(i / 3)] ?? 0;
          assert.ok(Math.abs(rounded[i] ?? 99) <= 63);
          assert.ok(Math.abs((rounded[i] ?? 0) * scale - weight) <= scale * 0.5001);
        }
      }),
    );
  });

  it("represents 0 exactly, and each value of its range within half a step", () => {
    const end = fc.float({ min: -100, max: 100, noNaN: true });
    fc.assert(
      fc.property(end, end, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, at) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        const { scale, zero } = scaleOf({ low, high });
        assert.ok(Number.isInteger(zero) && zero >= 0 && zero <= 255);
        const value = low + (high - low) * at;
        const bits = Math.min(255, Math.max(0, Math.round(value / scale) + zero));
        assert.ok(
          Math.abs((bits - zero) * scale - value) <= scale * 1.001,
          `${value} as ${(bits - zero) * scale}`,
        );
      }),
    );
  });

  it("keeps the bias of a channel that is otherwise dead", async () => {
    const layers = [conv(4, 3, { bias: true }), relu(), globalAvgPool(), linear(7)];
    const state = new TrainingState(parametersOf(layers, INPUT), 5);
    const views = state.views(state.weights);
    const [weight, bias] = ["weight", "bias"].map((role) => views.get(`layers.0.${role}`));
    weight?.fill(1e-12, 0, 9);
    bias?.fill(5, 0, 1);
    const whole = inferenceGraph(layers, INPUT, views);
    const { card: shipped } = await loadModel("fer2013-small", ".");
    const card: ModelCard = { ...shipped, input: { ...shipped.input, width: SIZE, height: SIZE } };
    const small = await quantize(readGraph(whole, "model"), card, [pictures(32, 1)]);
    const unseen = pictures(8, 3);
    const [floats, bits] = [await logitsOf(whole, unseen), await logitsOf(small, unseen)];
    const apart = Math.max(...floats.map((z, i) => Math.abs(z - (bits[i] ?? Number.NaN))));
    assert.ok(apart < 0.1, `logits up to ${apart} apart`);
  });

  /** A network of one convolution and of what `between` makes of its output [N, 3, SIZE, SIZE]. */
  function with3Channels(
    between: (graph: GraphBuilder, x: string) => string,
    { logits = true, opset = 17 } = {},
  ): Uint8Array {
    const random = new Random(4);
    const graph = new GraphBuilder("made elsewhere", opset);
    const weights = Float32Array.from({ length: 27 }, () => random.around(1));
    const inputs = [graph.input("input", ["N", ...INPUT]), graph.tensor([3, 1, 3, 3], weights)];
    const convolution = graph.node("Conv", [...inputs, graph.tensor([3], Float32Array.of(0.1, 0.2, 0.3))], {
      kernel_shape: [3, 3],
      pads: [1, 1, 1, 1],
    });
    const last = graph.node("Flatten", [graph.node("GlobalAveragePool", [between(graph, convolution)])]);
    if (logits) graph.output("logits", last, ["N", 3]);
    graph.output("probabilities", graph.node("Softmax", [last], { axis: 1 }), ["N", 3]);
    return graph.encode();
  }

  const ones = (graph: GraphBuilder) => graph.tensor([3], Float32Array.of(1, 1, 1));
  const scalar = (graph: GraphBuilder, value: bigint) => graph.tensor([], BigInt64Array.of(value));
  for (const [what, model] of [
    ["no logits", with3Channels((_, x) => x, { logits: false })],
    ["an input left out", with3Channels((graph, x) => graph.node("Clip", [x, "", graph.scalar(6)]))],
    [
      "a fraction among its options",
      with3Channels((graph, x) => graph.node("LeakyRelu", [x], { alpha: { float: 0.1 } })),
    ],
    [
      "a batch norm of its own",
      with3Channels((graph, x) =>
        graph.node("BatchNormalization", [x, ...Array.from({ length: 4 }, () => ones(graph))], {
          momentum: { float: 0.9 },
        }),
      ),
    ],
    [
      "a shape computed from scalars",
      with3Channels((graph, x) => {
        const count = graph.node("Gather", [graph.node("Shape", [x]), scalar(graph, 0n)], { axis: 0 });
        const list = graph.node("Unsqueeze", [count, graph.ints([0])]);
        return graph.node("Reshape", [
          x,
          graph.node("Concat", [list, graph.ints([3, SIZE, SIZE])], { axis: 0 }),
        ]);
      }),
    ],
    [
      "a slice to the end",
      with3Channels((graph, x) =>
        graph.node("Slice", [
          x,
          graph.ints([1]),
          graph.tensor([1], BigInt64Array.of(2n ** 63n - 1n)),
          graph.ints([2]),
        ]),
      ),
    ],
    [
      "operators of a later version",
      with3Channels((graph, x) => graph.node("ReduceMax", [x, graph.ints([2, 3])], { keepdims: 1 }), {
        opset: 18,
      }),
    ],
  ] as const)
    it(`predicts nearly the same if a model made elsewhere has ${what}`, async () => {
      const { card: shipped } = await loadModel("fer2013-small", ".");
      const input = { ...shipped.input, width: SIZE, height: SIZE };
      const card = { ...shipped, labels: ["a", "b", "c"], input };
      const small = await quantize(readGraph(model, "model"), card, [pictures(32, 1)]);
      const unseen = pictures(8, 3);
      const [floats, bits] = [await outputOf(model, unseen), await outputOf(small, unseen)];
      assert.ok(Math.max(...floats) - Math.min(...floats) > 0.05, "it says the same of all classes");
      for (const [i, value] of floats.entries())
        assert.ok(Math.abs(value - (bits[i] ?? Number.NaN)) < 0.01, `${bits[i]}, not ${value}`);
    });

  it("is refused in one line if something in the graph would be lost", async () => {
    const { card } = await loadModel("fer2013-small", ".");
    const node = { op: "Upsample", inputs: [], outputs: [], attributes: new Map(), unread: ["scales"] };
    const model = readGraph(
      with3Channels((_, x) => x),
      "model",
    );
    await assert.rejects(quantize({ ...model, nodes: [...model.nodes, node] }, card, []), {
      name: "ModelError",
      message: "the graph's Upsample has scales of a kind that is not supported",
    });
  });

  it("is refused if there is nothing to gain", async () => {
    const { card } = await loadModel("fer2013-small", ".");
    const empty = { opset: 17, nodes: [], weights: new Map(), integers: new Map() };
    await assert.rejects(quantize(empty, card, []), /no convolution/);
  });
});
