import assert from "node:assert/strict";
import fc from "fast-check";
import { Random } from "#src/model/data/random.js";
import {
  batchNorm,
  conv,
  globalAvgPool,
  type Layer,
  linear,
  relu,
  type Shape,
} from "#src/model/layers/layer.js";
import { parametersOf } from "#src/model/layers/parameters.js";
import { TrainingState } from "#src/model/training/state.js";
import { partsOf, TrainingStep } from "#src/model/training/step.js";

const INPUT: Shape = [1, 6, 6];
const CLASSES = 3;
const LAYERS: Layer[] = [conv(4, 3), batchNorm(), relu(), globalAvgPool(), linear(CLASSES)];

function pictures(seed: number, size: number) {
  const random = new Random(seed);
  const x = Float32Array.from({ length: size * 36 }, () => random.around(1));
  const y = Float32Array.from({ length: size * CLASSES }, (_, i) => (i % (CLASSES + 1) === 0 ? 1 : 0));
  return { x, y, weight: Float32Array.from({ length: size }, () => random.next()), size };
}

const begun = () => new TrainingState(parametersOf(LAYERS, INPUT), 7);

async function stepped(state: TrainingState, batch: ReturnType<typeof pictures>, threads = 1) {
  const step = new TrainingStep(LAYERS, INPUT, state, { batch: batch.size, seed: 1, threads });
  try {
    const { loss, logits } = await step.run(batch, 0);
    return { loss, logits, gradient: step.gradient };
  } finally {
    await step.close();
  }
}

function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++)
    assert.ok(
      Math.abs((actual[i] ?? Number.NaN) - (expected[i] ?? 0)) < 1e-6,
      `${i}: ${actual[i]}, not ${expected[i]}`,
    );
}

describe("a training step", () => {
  it("divides a batch into equal parts of at least 16 pictures", () => {
    assert.deepEqual([1, 16, 31, 32, 50, 64, 97, 4096].map(partsOf), [1, 1, 1, 2, 2, 4, 1, 16]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), (batch) => {
        const parts = partsOf(batch);
        assert.equal(batch % parts, 0);
        assert.ok(parts === 1 || batch / parts >= 16);
      }),
    );
  });

  it("returns the mean of its parts, and their logits in order", async () => {
    const whole = pictures(3, 32);
    const halves = [0, 1].map((half) => ({
      x: whole.x.slice(half * 16 * 36, (half + 1) * 16 * 36),
      y: whole.y.slice(half * 16 * CLASSES, (half + 1) * 16 * CLASSES),
      weight: whole.weight.slice(half * 16, (half + 1) * 16),
      size: 16,
    }));
    const states = [begun(), begun(), begun()] as const;
    const both = await stepped(states[0], whole, 2);
    const [first, second] = [
      await stepped(states[1], halves[0] ?? assert.fail()),
      await stepped(states[2], halves[1] ?? assert.fail()),
    ];
    const mean = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a, (v, i) => (v + (b[i] ?? 0)) / 2);
    assertNear([both.loss], mean([first.loss], [second.loss]));
    assertNear(both.gradient, mean(first.gradient, second.gradient));
    assertNear(both.logits, [...first.logits, ...second.logits]);
    assertNear(states[0].weights, mean(states[1].weights, states[2].weights));
    assert.notDeepEqual(first.logits, second.logits);
  });

  it("reports a thread that dies", async () => {
    const { y, weight } = pictures(3, 16);
    const state = begun();
    const short = { x: new Float32Array(7), y, weight, size: 16 };
    await assert.rejects(stepped(state, short), {
      code: "TRAINING_WORKER",
      message: /^a training thread died: /,
    });
  });
});
