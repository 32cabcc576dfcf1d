import assert from "node:assert/strict";
import type { Parameter } from "#src/model/layers/parameters.js";
import { clipNorm, moveAverage, type OptimiserOptions, optimise } from "#src/model/training/optimiser.js";
import { afterEpoch, isOver, NO_PLATEAU, rateFactor } from "#src/model/training/schedule.js";
import { TrainingState } from "#src/model/training/state.js";

/** One weight and one bias, both 1. */
function state(): TrainingState {
  const one = (role: Parameter["role"]): Parameter => ({
    name: role,
    role,
    dims: [1],
    size: 1,
    fan: { in: 1, out: 1 },
  });
  const made = new TrainingState([one("weight"), one("bias")], 1);
  made.weights.fill(1);
  made.average.fill(1);
  return made;
}

const OPTIONS: OptimiserOptions = {
  type: "sgd",
  rate: 0.1,
  momentum: 0.9,
  beta1: 0.9,
  beta2: 0.999,
  weightDecay: 0,
};

function near(actual: ArrayLike<number>, expected: readonly number[]): void {
  expected.forEach((value, i) => {
    assert(Math.abs((actual[i] ?? Number.NaN) - value) < 1e-6, `${Array.from(actual)}, not ${expected}`);
  });
}

describe("the optimisers, compared with values computed by hand", () => {
  it("sgd with Nesterov momentum: 1 - 0.1 * (0.5 + 0.9 * 0.5), then with velocity 0.95", () => {
    const s = state();
    const gradient = Float32Array.of(0.5, 0.5);
    optimise(OPTIONS, s, gradient, 0.1, 1);
    near(s.weights, [0.905, 0.905]);
    optimise(OPTIONS, s, gradient, 0.1, 2);
    near(s.weights, [0.905 - 0.1 * (0.5 + 0.9 * 0.95), 0.905 - 0.1 * (0.5 + 0.9 * 0.95)]);
  });

  it("decays weights, not biases", () => {
    const s = state();
    optimise({ ...OPTIONS, momentum: 0, weightDecay: 0.01 }, s, new Float32Array(2), 0.1, 1);
    near(s.weights, [0.999, 1]);
    const a = state();
    optimise({ ...OPTIONS, type: "adam", weightDecay: 0.01 }, a, new Float32Array(2), 0.1, 1);
    near(a.weights, [0.999, 1]);
  });

  it("adam's first step is the rate, whatever the gradient's size", () => {
    const s = state();
    optimise({ ...OPTIONS, type: "adam" }, s, Float32Array.of(0.001, -500), 0.1, 1);
    assert(Math.abs((s.weights[0] ?? 0) - 0.9) < 1e-5);
    assert(Math.abs((s.weights[1] ?? 0) - 1.1) < 1e-5);
  });

  it("clips to the requested length, and leaves shorter gradients alone", () => {
    const long = Float32Array.of(3, 4);
    assert.equal(clipNorm(long, 1), 5);
    near(long, [0.6, 0.8]);
    assert.equal(clipNorm(long, 10).toFixed(3), "1.000");
    near(long, [0.6, 0.8]);
  });

  it("averages quickly at first: a tenth is kept in step 0", () => {
    const s = state();
    s.weights.fill(2);
    moveAverage(s, 0.999, 0);
    near(s.average, [1.9, 1.9]);
  });
});

describe("the schedules", () => {
  const cosine = { type: "cosine", warmup: 1, patience: 8 } as const;
  const plateau = { ...cosine, type: "plateau" } as const;

  it("cosine rises during warm-up, is 1 after it, half in the middle and ends near 0", () => {
    const at = (step: number) => rateFactor(cosine, NO_PLATEAU, step, 10, 11);
    assert(at(0) < at(9) && at(9) < 1);
    assert.equal(at(10), 1);
    assert(Math.abs(at(60) - 0.5) < 1e-9);
    assert(at(109) < 0.001);
  });

  it("plateau divides by ten after each quarter of the patience and ends after all of it", () => {
    let now = afterEpoch(plateau, NO_PLATEAU, 2);
    const scales: number[] = [];
    while (!isOver(plateau, now)) {
      now = afterEpoch(plateau, now, 3);
      scales.push(Math.round(Math.log10(now.scale)));
    }
    assert.deepEqual(scales, [0, -1, -1, -2, -2, -3, -3, -4]);
    assert.equal(afterEpoch(plateau, now, 1).since, 0);
  });
});
