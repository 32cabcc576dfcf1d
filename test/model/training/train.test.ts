import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Default } from "typebox/value";
import type { ModelCard } from "#src/model/card.js";
import { readGraph } from "#src/model/onnx/read.js";
import { Recipe, type TrainOptions, train } from "#src/model/training/index.js";
import { brightness } from "../../support/brightness.js";

function recipe(changes: Record<string, unknown> = {}): Recipe {
  return Default(Recipe, {
    name: "brightness",
    data: { path: "unused" },
    augment: { flip: 0.5, shift: 1 },
    batch: 8,
    epochs: 2,
    dropout: 0.3,
    mixup: 0.2,
    average: 0.9,
    clip: 5,
    optimiser: { type: "sgd", rate: 0.02 },
    ...changes,
  }) as Recipe;
}

describe("train", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-train-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const run = (name: string, options: Partial<TrainOptions> = {}, changes: Record<string, unknown> = {}) =>
    train(recipe(changes), brightness(), { out: join(folder, name), threads: 1, ...options });
  const model = (name: string) => readFile(join(folder, name, "model", "model.onnx"));
  /** History without the clock. */
  const history = async (name: string) =>
    (await readFile(join(folder, name, "history.jsonl"), "utf8"))
      .trim()
      .split("\n")
      .map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 }));

  it("gives the same model from the same seed, and another from another", async () => {
    await run("a");
    await run("b");
    await run("c", {}, { seed: 2 });
    assert.deepEqual(await model("a"), await model("b"));
    assert.notDeepEqual(await model("a"), await model("c"));
  });

  it("gives the same model with any number of threads", async () => {
    const halves = { batch: 32 };
    await run("one", { threads: 1 }, halves);
    await run("two", { threads: 2 }, halves);
    assert.deepEqual(await history("two"), await history("one"));
    assert.deepEqual(await model("two"), await model("one"));
  });

  it("goes on after a stop in mid-epoch to the same figures and the same model", async () => {
    await run("whole");
    for (const after of [2, 4, 5]) {
      const stop = new AbortController();
      let steps = 0;
      const name = `stopped-${after}`;
      const first = await run(name, {
        signal: stop.signal,
        onStep: () => {
          steps += 1;
          if (steps === after) stop.abort();
        },
      });
      assert.equal(first.finished, false);
      assert.equal((await run(name, { resume: true })).finished, true);
      assert.deepEqual(await history(name), await history("whole"), name);
      assert.deepEqual(await model(name), await model("whole"), name);
    }
  });

  it("refuses to go on with another recipe, and without a checkpoint", async () => {
    await assert.rejects(run("none", { resume: true }), {
      name: "ConfigError",
      message: /checkpoint\.bin: there is no checkpoint to resume from; begin without --resume$/,
    });
    await run("a");
    await assert.rejects(run("a", { resume: true }, { batch: 4 }), {
      name: "ConfigError",
      message: /another recipe/,
    });
  });

  it("writes nothing until it is known that it can begin", async () => {
    for (const changes of [{ batch: 99 }, { validation: ["none"] }, { from: "./none" }])
      await assert.rejects(run("none", { onBegin: () => assert.fail("it begins") }, changes), {
        code: /^(DATA_|MODEL_MISSING)/,
      });
    assert.ok(!existsSync(join(folder, "none")));
  });

  it("does not go on from what it has begun anew over", async () => {
    await run("a");
    await run("a", { until: 0 });
    await assert.rejects(run("a", { resume: true }), /no checkpoint to resume from/);
  });

  it("does not judge a network on what it learns from", async () => {
    await assert.rejects(run("a", {}, { data: { path: "unused", training: ["Training", "PublicTest"] } }), {
      name: "ConfigError",
      message: /brightness: PublicTest stands both in `data\.training` and in `validation`/,
    });
  });

  it("goes on although the data set was moved, and tells no folder in the card", async () => {
    const at = (path: string) => ({ data: { path } });
    await run("moved", { until: 1 }, at("/home/someone/faces.csv"));
    assert.equal((await run("moved", { resume: true }, at("/mnt/faces.csv"))).finished, true);
    const card = await readFile(join(folder, "moved", "model", "card.json"), "utf8");
    assert.match(card, /"path": "faces\.csv"/);
  });

  it("shifts the last biases to the labels' frequencies, and nothing else", async () => {
    await run("plain", { until: 2 });
    await run("plain", { resume: true });
    const before = await model("plain");
    await run("plain", { resume: true }, { calibratePrior: true });
    const after = await model("plain");
    const { weights } = readGraph(after, "after");
    const changed = [...readGraph(before, "before").weights].filter(
      ([name, { data }]) => data.join() !== weights.get(name)?.data.join(),
    );
    assert.deepEqual(
      changed.map(([, { dims }]) => dims),
      [[2]],
    );
    const card = JSON.parse(await readFile(join(folder, "plain", "model", "card.json"), "utf8")) as ModelCard;
    assert.equal((card.training.priorShift as number[]).length, 2);
  });

  it("says in one line that the loss is no longer a number", async () => {
    await assert.rejects(
      run("a", {}, { optimiser: { type: "sgd", rate: 1e30 }, clip: 0, epochs: 20 }),
      /the loss is no longer a number in epoch \d+, batch \d+; try a lower/,
    );
  });

  it("learns what there is to learn", async () => {
    const last: number[] = [];
    await run(
      "a",
      { onEpoch: ({ validationAccuracy }) => last.push(validationAccuracy) },
      { epochs: 8, mixup: 0, optimiser: { type: "adam", rate: 0.002 }, average: 0.5 },
    );
    assert.equal(last.at(-1), 1);
  });
});
