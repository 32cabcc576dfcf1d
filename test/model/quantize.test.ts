import assert from "node:assert/strict";
import fc from "fast-check";
import { ARCHITECTURES } from "#src/model/architectures/index.js";
import type { ModelCard } from "#src/model/card.js";
import { Random } from "#src/model/data/random.js";
import { inferenceGraph } from "#src/model/layers/inference-graph.js";
import { conv, globalAvgPool, linear, relu } from "#src/model/layers/layer.js";
import { parametersOf } from "#src/model/layers/parameters.js";
import { loadModel } from "#src/model/load.js";
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

async function logitsOf(model: Uint8Array, batch: Float32Array): Promise<Float32Array> {
  const session = await InferenceSession.create(model);
  try {
    const input = new Tensor("float32", batch, [batch.length / SIZE ** 2, ...INPUT]);
    const { logits } = await session.run({ input });
    return logits?.data as Float32Array;
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

  it("is refused if there is nothing to gain", async () => {
    const { card } = await loadModel("fer2013-small", ".");
    const empty = { nodes: [], weights: new Map(), integers: new Map() };
    await assert.rejects(quantize(empty, card, []), /no convolution/);
  });
});
