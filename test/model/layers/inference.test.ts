import assert from "node:assert/strict";
import { ARCHITECTURES } from "#src/model/architectures/index.js";
import { Random } from "#src/model/data/random.js";
import { inferenceGraph } from "#src/model/layers/inference-graph.js";
import type { Shape } from "#src/model/layers/layer.js";
import { isLearnt, multiplyAdds, parametersOf } from "#src/model/layers/parameters.js";
import { InferenceSession, Tensor } from "#src/model/onnx/runtime.js";
import { TrainingState } from "#src/model/training/state.js";
import { TrainingStep } from "#src/model/training/step.js";

const INPUT: Shape = [1, 48, 48];
const BATCH = 4;

describe("the inference graph", function () {
  this.timeout(60_000);
  for (const name of ["study", "small"] as const)
    it(`of ${name} gives the training graph's logits if its statistics are the batch's`, async () => {
      const layers = ARCHITECTURES[name](7, 0);
      const state = new TrainingState(parametersOf(layers, INPUT), 5);
      const random = new Random(9);
      const x = Float32Array.from({ length: BATCH * 48 * 48 }, () => random.around(1));
      const y = new Float32Array(BATCH * 7).fill(1 / 7);
      const step = new TrainingStep(layers, INPUT, state, { batch: BATCH, seed: 0, threads: 1 });
      const batch = { x, y, weight: new Float32Array(BATCH).fill(1), size: BATCH };
      const { logits } = await step.run(batch, 0);
      await step.close();
      // The running statistics, initially 0 and 1, moved a tenth of the way: the batch's own are ten times as far. Its
      // variance is unbiased, which is undone here.
      const values = state.views(state.weights);
      for (const { name, role, fan } of parametersOf(layers, INPUT)) {
        const own = values.get(name);
        const count = BATCH * fan.in;
        if (role === "mean") own?.set(own.map((mean) => mean * 10));
        if (role === "variance") own?.set(own.map((v) => ((1 + (v - 1) * 10) * (count - 1)) / count));
      }
      const session = await InferenceSession.create(inferenceGraph(layers, INPUT, values));
      const result = await session.run({ input: new Tensor("float32", x, [BATCH, ...INPUT]) });
      await session.release();
      const own = result.logits?.data as Float32Array;
      assert.equal(own.length, logits.length);
      const scale = Math.max(...logits.map(Math.abs));
      logits.forEach((z, i) => {
        assert.ok(Math.abs((own[i] ?? Number.NaN) - z) < 1e-3 * scale, `${own[i]}, not ${z}`);
      });
      const { data } = result.probabilities ?? assert.fail("no probabilities");
      const row = Array.from(data as Float32Array).slice(0, 7);
      assert.ok(Math.abs(row.reduce((a, b) => a + b, 0) - 1) < 1e-5);
    });

  it("has the sizes that the models' cards state", () => {
    const sizes = (["study", "small"] as const).map((name) => {
      const layers = ARCHITECTURES[name](7, 0);
      const learnt = parametersOf(layers, INPUT).filter(isLearnt);
      return [learnt.reduce((sum, { size }) => sum + size, 0), multiplyAdds(layers, INPUT)];
    });
    assert.deepEqual(sizes, [
      [640_727, 79_867_392],
      [936_511, 56_716_384],
    ]);
  });

  it("at half the width has about a quarter of the weights and of the work", () => {
    for (const name of ["study", "small"] as const) {
      const [whole = [], half = []] = [1, 0.5].map((width) => {
        const layers = ARCHITECTURES[name](7, 0, width);
        const weights = parametersOf(layers, INPUT).filter(isLearnt);
        return [weights.reduce((sum, { size }) => sum + size, 0), multiplyAdds(layers, INPUT)];
      });
      for (const [i, count] of whole.entries()) {
        const share = (half[i] ?? 0) / count;
        assert.ok(share > 0.2 && share < 0.32, `${name}: ${share}`);
      }
    }
  });
});
