import assert from "node:assert/strict";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { ARCHITECTURES } from "#src/model/architectures/index.js";
import type { ModelCard } from "#src/model/card.js";
import { Random } from "#src/model/data/random.js";
import { ensembleCard, ensembleGraph, type Member } from "#src/model/ensemble.js";
import { inferenceGraph } from "#src/model/layers/inference-graph.js";
import { parametersOf } from "#src/model/layers/parameters.js";
import { loadModel } from "#src/model/load.js";
import { readGraph } from "#src/model/onnx/read.js";
import { TrainingState } from "#src/model/training/state.js";

const SIZE = 16;
const INPUT = [1, SIZE, SIZE] as const;
const BATCH = 5;

const pictures = Float32Array.from(
  { length: BATCH * SIZE ** 2 },
  (
    (random) => () =>
      random.around(1)
  )(new Random(9)),
);

async function logitsOf(model: Uint8Array, x = pictures): Promise<number[]> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  try {
    const { logits, probabilities } = await session.run({
      input: new Tensor("float32", x, [BATCH, ...INPUT]),
    });
    assert.deepEqual(probabilities?.dims, [BATCH, 7]);
    return [...(logits?.data as Float32Array)];
  } finally {
    await session.release();
  }
}

function network(width: number, seed: number, mirror = false): Uint8Array {
  const layers = ARCHITECTURES.small(7, 0, width);
  const state = new TrainingState(parametersOf(layers, INPUT), seed);
  return inferenceGraph(layers, INPUT, state.views(state.weights), { mirror });
}

const mirrored = pictures.map((_, i) => pictures[i - (i % SIZE) + SIZE - 1 - (i % SIZE)] ?? 0);

describe("an ensemble of models", () => {
  let card: ModelCard;
  const member = (onnx: Uint8Array, own: Partial<ModelCard> = {}): Member => ({
    card: { ...card, input: { ...card.input, width: SIZE, height: SIZE }, ...own },
    graph: readGraph(onnx, "member"),
  });
  before(async () => {
    card = (await loadModel("fer2013-small", ".")).card;
  });

  it("has the mean of their logits, of the mirror image too where that is wanted", async () => {
    const networks = [network(1, 1), network(0.6, 2), network(0.6, 3, true)];
    const members = networks.map((onnx) => member(onnx));
    const mean = (sets: readonly number[][]) =>
      sets[0]?.map((_, i) => sets.reduce((sum, set) => sum + (set[i] ?? 0), 0) / sets.length) ?? [];
    const straight = mean(await Promise.all(networks.map((onnx) => logitsOf(onnx))));
    const turned = mean(await Promise.all(networks.map((onnx) => logitsOf(onnx, mirrored))));
    const near = (found: readonly number[], expected: readonly number[]) => {
      for (const [i, value] of found.entries()) assert.ok(Math.abs(value - (expected[i] ?? 0)) < 1e-5);
    };
    near(await logitsOf(ensembleGraph(members, false)), straight);
    near(await logitsOf(ensembleGraph(members, true)), mean([straight, turned]));
    assert.ok(
      straight.some((value, i) => Math.abs(value - (turned[i] ?? 0)) > 1e-3),
      "mirroring changes nothing",
    );
  });

  it("counts its members' parameters and work, and names them", () => {
    const one = member(network(0.6, 1), { name: "one", parameters: 10, multiplyAdds: 1000 });
    const two = member(network(0.6, 2), { name: "two", parameters: 5, multiplyAdds: 300 });
    const made = ensembleCard([one, two], "both", true);
    assert.deepEqual([made.parameters, made.multiplyAdds, made.metrics], [15, 2600, []]);
    assert.deepEqual(
      (made.training.members as { name: string }[]).map(({ name }) => name),
      ["one", "two"],
    );
  });

  it("is refused where members take or give something else", () => {
    const one = member(network(0.6, 1));
    const other = member(network(0.6, 1), { name: "other", labels: [...card.labels].reverse() });
    assert.throws(() => ensembleGraph([one, other], false), {
      code: "ENSEMBLE",
      message: /^model other: `labels` is not as in fer2013-small; /,
    });
  });
});
