import assert from "node:assert/strict";
import { Parse } from "typebox/value";
import { ModelCard } from "#src/model/card.js";
import { evaluate } from "#src/model/evaluation/index.js";
import { brightness } from "../../support/brightness.js";

describe("an evaluation", () => {
  it("knows each class of a model with more than 256 of them", async () => {
    const dataset = brightness();
    const others = Array.from({ length: 298 }, (_, i) => `other ${i}`);
    const card = Parse(ModelCard, {
      format: 1,
      name: "many",
      version: "1.0.0",
      summary: "",
      labels: [...others, ...dataset.labels],
      input: { width: 16, height: 16, channels: 1, scale: 1, offset: 0 },
      face: { margin: 0, shiftY: 0 },
      files: [],
      parameters: 0,
      multiplyAdds: 0,
      training: {},
      metrics: [],
      licence: "none",
      limits: [],
    });
    const rows = Uint32Array.of(0, 1, 2);
    const engine = {
      provider: "certain of the last class",
      run: async (_: Float32Array, n: number) =>
        Float32Array.from({ length: n * 300 }, (_, i) => (i % 300 === 299 ? 1 : 0)),
      close: async () => {},
    };
    const { accuracy, mistakes } = await evaluate({ folder: "", card }, engine, dataset, rows, false);
    assert.equal(accuracy, 1 / 3);
    assert.deepEqual(
      mistakes.map(({ truth, predicted }) => [truth, predicted]),
      [
        ["dark", "light"],
        ["dark", "light"],
      ],
    );
  });
});
