import assert from "node:assert/strict";
import type { Batch } from "#src/model/data/index.js";
import { Random } from "#src/model/data/random.js";
import { type InferenceOptions, inferenceGraph } from "#src/model/layers/inference-graph.js";
import {
  avgPool,
  batchNorm,
  conv,
  globalAvgPool,
  type Layer,
  linear,
  relu,
  residual,
  type Shape,
} from "#src/model/layers/layer.js";
import { parametersOf } from "#src/model/layers/parameters.js";
import { readGraph } from "#src/model/onnx/read.js";
import { InferenceSession, Tensor } from "#src/model/onnx/runtime.js";
import { TrainingState } from "#src/model/training/state.js";
import { TrainingStep } from "#src/model/training/step.js";
import { warmStart } from "#src/model/training/warm-start.js";

const INPUT: Shape = [1, 12, 12];
const BATCH = 16;

const network = (classes: number, width = 6): Layer[] => [
  conv(4, 3),
  batchNorm(),
  relu(),
  residual(
    [conv(width, 3, { stride: 2 }), batchNorm(), relu(), conv(width, 3), batchNorm()],
    [avgPool(2), conv(width, 1), batchNorm()],
  ),
  relu(),
  globalAvgPool(),
  linear(classes),
];

/** A trained network: every parameter differs from its initial value. */
function trained(layers: readonly Layer[]): TrainingState {
  const state = new TrainingState(parametersOf(layers, INPUT), 11);
  const random = new Random(12);
  for (const { name, role } of state.parameters) {
    const own = state.views(state.weights).get(name);
    if (role === "gamma" || role === "variance") own?.set(own.map(() => 0.5 + random.next()));
    else if (role !== "weight") own?.set(own.map(() => random.around(0.5)));
  }
  return state;
}

function pictures(seed: number): Batch {
  const random = new Random(seed);
  const x = Float32Array.from({ length: BATCH * 144 }, () => random.around(1));
  return {
    x,
    y: new Float32Array(BATCH * 3).fill(1 / 3),
    weight: new Float32Array(BATCH).fill(1),
    size: BATCH,
  };
}

async function* batches(...seeds: number[]): AsyncGenerator<Batch> {
  for (const seed of seeds) yield pictures(seed);
}

async function logitsOf(
  layers: readonly Layer[],
  state: TrainingState,
  x: Float32Array,
  options: InferenceOptions = {},
): Promise<Float32Array> {
  const graph = inferenceGraph(layers, INPUT, state.views(state.weights), options);
  const session = await InferenceSession.create(graph);
  const { logits } = await session.run({ input: new Tensor("float32", x, [BATCH, ...INPUT]) });
  await session.release();
  return logits?.data as Float32Array;
}

function assertNear(actual: Float32Array, expected: Float32Array, within: number): void {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => {
    assert(Math.abs((actual[i] ?? Number.NaN) - value) < within, `${actual[i]}, not ${value}`);
  });
}

/** Which of the model's classes each class is. */
const SAME = [0, 1, 2];

const begun = async (
  layers: readonly Layer[],
  from: TrainingState,
  fromLayers: readonly Layer[],
  classes: readonly number[] | undefined,
) => {
  const model = readGraph(inferenceGraph(fromLayers, INPUT, from.views(from.weights)), "model");
  const state = new TrainingState(parametersOf(layers, INPUT), 1);
  await warmStart(state, layers, INPUT, model, classes, batches(1, 2, 3), "old");
  return state;
};

describe("a warm start", () => {
  it("computes what the model computes, with the folded batch norms separated again", async () => {
    const layers = network(3);
    const old = trained(layers);
    const state = await begun(layers, old, layers, SAME);
    const { x } = pictures(99);
    assertNear(await logitsOf(layers, state, x), await logitsOf(layers, old, x), 1e-4);
    assert.deepEqual(state.average, state.weights);
  });

  it("computes the same in training, where batch norms use the batch's own statistics", async () => {
    const layers = network(3);
    const old = trained(layers);
    const batch = pictures(1);
    const model = readGraph(inferenceGraph(layers, INPUT, old.views(old.weights)), "model");
    const state = new TrainingState(parametersOf(layers, INPUT), 1);
    await warmStart(state, layers, INPUT, model, SAME, batches(1), "old");
    const step = new TrainingStep(layers, INPUT, state, { batch: BATCH, seed: 0, threads: 1 });
    const { logits } = await step.run(batch, 0);
    await step.close();
    assertNear(logits, await logitsOf(layers, old, batch.x), 1e-3);
  });

  it("keeps the initial values of a last layer for other classes, and copies the rest", async () => {
    for (const layers of [network(5), network(3)]) {
      const state = await begun(layers, trained(network(3)), network(3), undefined);
      const fresh = new TrainingState(parametersOf(layers, INPUT), 1);
      const [own, first] = [state, fresh].map((of) => of.views(of.weights));
      for (const role of ["weight", "bias"])
        assert.deepEqual(own?.get(`layers.6.${role}`), first?.get(`layers.6.${role}`));
      assert.notDeepEqual(own?.get("layers.0.weight"), first?.get("layers.0.weight"));
    }
  });

  it("gives each class the model's own logit if the data has the classes in another order", async () => {
    const layers = network(3);
    const old = trained(layers);
    const order = [2, 0, 1];
    const state = await begun(layers, old, layers, order);
    const { x } = pictures(99);
    const logits = await logitsOf(layers, old, x);
    const turned = logits.map((_, i) => logits[i - (i % 3) + (order[i % 3] ?? 0)] ?? 0);
    assertNear(await logitsOf(layers, state, x), turned, 1e-4);
  });

  it("refuses a model whose file and card differ in the number of classes", async () => {
    await assert.rejects(begun(network(3), trained(network(2)), network(2), SAME), /the model's is \[2, 6\]/);
  });

  it("computes what a narrower model computes, and has room to learn more", async () => {
    const layers = network(3, 10);
    const old = trained(network(3, 6));
    const state = await begun(layers, old, network(3, 6), SAME);
    const { x } = pictures(99);
    assertNear(await logitsOf(layers, state, x), await logitsOf(network(3, 6), old, x), 1e-4);
    const wide = state.views(state.weights).get("layers.3.body.3.weight") ?? assert.fail();
    const seesNew = (out: number) =>
      wide.subarray((out * 10 + 6) * 9, (out + 1) * 10 * 9).some((w) => w !== 0);
    assert.deepEqual([seesNew(0), seesNew(5), seesNew(6)], [false, false, true]);
  });

  it("refuses a model of another architecture in one line", async () => {
    await assert.rejects(begun(network(3, 6), trained(network(3, 8)), network(3, 8), SAME), {
      code: "WARM_START",
      message:
        "old: layers.3.body.0.weight is [6, 4, 3, 3], but the model's is [8, 4, 3, 3]; start from a model with the recipe's own architecture",
    });
  });
});

describe("a mirrored inference graph", () => {
  it("gives the mean of the logits of the picture and its mirror image, enlarged by 1.15", async () => {
    const layers = network(3);
    const state = trained(layers);
    const { x, size } = pictures(5);
    const side = 12;
    const enlarged = x.slice();
    for (let picture = 0; picture < size; picture++)
      for (let row = 0; row < side; row++)
        for (let column = 0; column < side; column++) {
          const at = (value: number) => 5.5 + (value - 5.5) / 1.15;
          const [v, u] = [at(row), at(11 - column)];
          const [top, left] = [Math.floor(v), Math.floor(u)];
          const pixel = (r: number, c: number) => x[(picture * side + r) * side + c] ?? 0;
          const line = (r: number) => pixel(r, left) * (left + 1 - u) + pixel(r, left + 1) * (u - left);
          enlarged[(picture * side + row) * side + column] =
            line(top) * (top + 1 - v) + line(top + 1) * (v - top);
        }
    const [straight, other] = [await logitsOf(layers, state, x), await logitsOf(layers, state, enlarged)];
    const mean = straight.map((z, i) => (z + (other[i] ?? 0)) / 2);
    assertNear(await logitsOf(layers, state, x, { mirror: true }), mean, 1e-5);
  });
});
