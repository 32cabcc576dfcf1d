import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CardMetrics } from "#src/model/card.js";
import { writeMetrics } from "#src/model/evaluation/index.js";
import { loadModel } from "#src/model/load.js";
import { tinyOnnx, tinyWeights, writeTinyModel } from "../../support/tiny-model.js";

const CLASSES = 255;

const metrics = (split: string): CardMetrics => ({
  dataset: "faces",
  split,
  images: CLASSES ** 2,
  flip: false,
  accuracy: 0.5,
  macroF1: 0.5,
  ece: 0.1,
  top2: 0.7,
  classes: Array.from({ length: CLASSES }, (_, i) => ({
    label: `class ${i}, [1,\n  2]`,
    count: 100,
    precision: 0.1234,
    recall: 0.1234,
    f1: 0.1234,
  })),
  confusion: Array.from({ length: CLASSES }, () => Array.from({ length: CLASSES }, (_, i) => i)),
});

describe("figures in a card", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-card-"));
    await writeTinyModel(folder);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const put = async (split: string) => writeMetrics(await loadModel(folder, "."), metrics(split));

  it("for the largest number of classes leave the model usable", async () => {
    await put("validation");
    await put("test");
    const { card } = await loadModel(folder, ".");
    assert.deepEqual(card.metrics, [metrics("validation"), metrics("test")]);
  });

  it("are on one line for each true class", async () => {
    await put("validation");
    const row = Array.from({ length: CLASSES }, (_, i) => i).join(",");
    assert.equal((await readFile(join(folder, "card.json"), "utf8")).split(`[${row}]`).length, CLASSES + 1);
  });

  it("do not take back what was added to the card during the evaluation", async () => {
    const model = await loadModel(folder, ".");
    await put("validation");
    await writeMetrics(model, metrics("test"));
    const { card } = await loadModel(folder, ".");
    assert.deepEqual(
      card.metrics.map(({ split }) => split),
      ["validation", "test"],
    );
  });

  it("are not those of a model that was replaced during the evaluation", async () => {
    const model = await loadModel(folder, ".");
    await writeTinyModel(folder, tinyOnnx(tinyWeights().fill(1)));
    await assert.rejects(writeMetrics(model, metrics("test")), {
      name: "ModelError",
      message: "model tiny: its file was replaced while it was measured; evaluate it again",
    });
    assert.deepEqual((await loadModel(folder, ".")).card.metrics, []);
  });

  it("that would make the card too large are refused, and the card stays", async () => {
    const fill = async () => {
      for (let i = 0; i < 9; i++) await put(`part ${i}`);
    };
    await assert.rejects(fill, {
      name: "ModelError",
      message: /card\.json would have 1,\d{3},\d{3} bytes; a card may have at most 1,048,576; /,
    });
    assert.ok((await loadModel(folder, ".")).card.metrics.length > 0);
  });
});
