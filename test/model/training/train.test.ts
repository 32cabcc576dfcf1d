import assert from "node:assert/strict";
import { existsSync, promises } from "node:fs";
import { appendFile, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Default } from "typebox/value";
import type { ModelCard } from "#src/model/card.js";
import { readGraph } from "#src/model/onnx/read.js";
import { Recipe, type TrainOptions, train } from "#src/model/training/index.js";
import { brightness } from "../../support/brightness.js";
import { withFiles } from "../../support/machine.js";

function recipe(changes: Record<string, unknown> = {}): Recipe {
  return Default(Recipe, {
    name: "brightness",
    data: { path: "unused" },
    width: 0.25, // starting a run takes longer than training it
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
  let shared: string;
  before(async () => {
    shared = await mkdtemp(join(tmpdir(), "ekspresi-trained-"));
    await train(recipe(), brightness(), { out: join(shared, "run"), threads: 1 });
  });
  after(() => rm(shared, { recursive: true }));
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-train-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  /** What `run(name)` leaves, copied from a run that all tests share. */
  const trained = (name: string) => cp(join(shared, "run"), join(folder, name), { recursive: true });

  const run = (name: string, options: Partial<TrainOptions> = {}, changes: Record<string, unknown> = {}) =>
    train(recipe(changes), brightness(), { out: join(folder, name), threads: 1, ...options });
  const card = (name: string) => readFile(join(folder, name, "model", "card.json"), "utf8");
  const model = (name: string) => readFile(join(folder, name, "model", "model.onnx"));
  /** History without times. */
  const history = async (name: string) =>
    (await readFile(join(folder, name, "history.jsonl"), "utf8"))
      .trim()
      .split("\n")
      .map((line) => ({ ...(JSON.parse(line) as object), seconds: 0 }));

  it("gives the same model with the same seed, and a different one with another", async () => {
    await run("a");
    await trained("b");
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

  it("resumes after a stop in mid-epoch to the same figures and the same model", async () => {
    await trained("whole");
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

  it("has its folder to itself while it trains", async () => {
    let other: Promise<unknown> | undefined;
    const onStep = () => {
      other ??= run("both").catch((error: unknown) => error);
    };
    await run("both", { onStep });
    await trained("alone");
    assert.deepEqual(await history("both"), await history("alone"));
    assert.match(String(await other), /^ConfigError: .*both: another process is training in this folder; /);
    await run("both"); // it is unlocked
  });

  it("refuses to resume with another recipe, and without a checkpoint", async () => {
    await assert.rejects(run("none", { resume: true }), {
      name: "ConfigError",
      message: /checkpoint\.bin: no checkpoint to resume from; start without --resume$/,
    });
    await trained("a");
    await assert.rejects(run("a", { resume: true }, { batch: 4, optimiser: { type: "sgd", rate: 0.5 } }), {
      name: "ConfigError",
      message: /that differs in batch, optimiser\.rate; use the same values, or start over /,
    });
    await assert.rejects(run("a", { resume: true }, { epochs: 9 }), {
      message: /differs in epochs; .* a run cannot be extended, but another can start from its model/,
    });
  });

  it("writes nothing until it is sure that training can begin", async () => {
    for (const changes of [{ batch: 99 }, { validation: ["none"] }, { from: "./none" }])
      await assert.rejects(run("none", { onBegin: () => assert.fail("it begins") }, changes), {
        code: /^(DATA_|MODEL_MISSING)/,
      });
    assert.ok(!existsSync(join(folder, "none")));
  });

  it("does not resume from a run that it has started over", async () => {
    await trained("a");
    await run("a", { until: 0 }, { seed: 2 });
    await assert.rejects(run("a", { resume: true }), /differs in seed/);
  });

  it("can be resumed even if it was stopped before the first batch", async () => {
    await trained("whole");
    const stop = new AbortController();
    const onBegin = async () => stop.abort();
    const first = await run("stopped", { signal: stop.signal, onBegin });
    assert.deepEqual(first, { finished: false, written: true, epochs: 0 });
    await run("stopped", { resume: true });
    assert.deepEqual(await model("stopped"), await model("whole"));
  });

  it("leaves a finished run as it is, unless its model is damaged", async () => {
    await trained("a");
    const measured = `${await card("a")}\n`;
    await writeFile(join(folder, "a", "model", "card.json"), measured);
    const { model: at, written } = await run("a", { resume: true });
    assert.deepEqual([at, written], [join(folder, "a", "model"), false]);
    assert.equal(await card("a"), measured);
    const bytes = await model("a");
    await writeFile(join(folder, "a", "model", "model.onnx"), "damaged");
    assert.equal((await run("a", { resume: true })).written, true);
    assert.deepEqual(await model("a"), bytes);
  });

  it("does not take an earlier run's model for its own if it was stopped before it wrote one", async () => {
    const other = brightness();
    other.images[0] = (other.images[0] ?? 0) ^ 255;
    const begin = (resume: boolean) => train(recipe(), other, { out: join(folder, "a"), threads: 1, resume });
    await trained("a");
    const earlier = await model("a");
    const { rename } = promises;
    const full: typeof rename = async (from, to) => {
      if (String(to).endsWith("model.onnx")) throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
      return rename(from, to);
    };
    await withFiles({ promises: { rename: full } }, () => assert.rejects(begin(false), /the disk is full/));
    assert.deepEqual(await model("a"), earlier);
    assert.equal((await begin(true)).written, true);
    assert.notDeepEqual(await model("a"), earlier);
    assert.equal((await begin(true)).written, false);
  });

  it("does not resume with other pictures of the same names", async () => {
    await run("a", { until: 1 });
    const other = brightness();
    other.images[0] = (other.images[0] ?? 0) ^ 1;
    await assert.rejects(
      train(recipe(), other, { out: join(folder, "a"), threads: 1, resume: true }),
      /differs in pictures/,
    );
  });

  it("does not resume from another model in a folder of the same name", async () => {
    await trained("one");
    await run("two", {}, { seed: 2 });
    const from = (name: string) => ({ from: join(folder, name, "model") });
    await run("a", { until: 1 }, from("one"));
    await assert.rejects(run("a", { resume: true }, from("two")), /differs in weights of from/);
    assert.equal((await run("a", { resume: true }, from("one"))).finished, true);
  });

  it("starts from what a model says of each class, by the class's name", async () => {
    const still = { epochs: 1, average: 0, mixup: 0, optimiser: { type: "sgd", rate: 1e-9 } };
    await run("a", {}, { epochs: 8, mixup: 0, optimiser: { type: "adam", rate: 0.002 }, average: 0.5 });
    const dataset = brightness();
    for (const labels of [
      ["dark", "light"],
      ["light", "dark"],
    ]) {
      const label = dataset.label.map((own) => labels.indexOf(dataset.labels[own] ?? ""));
      const accuracies: number[] = [];
      await train(
        recipe({ from: join(folder, "a", "model"), ...still }),
        { ...dataset, labels, label },
        {
          out: join(folder, labels.join("-")),
          onEpoch: ({ validationAccuracy }) => accuracies.push(validationAccuracy),
        },
      );
      assert.deepEqual(accuracies, [1], labels.join());
    }
  });

  it("resumes without a history that was removed", async () => {
    await trained("whole");
    await run("a", { until: 1 });
    await rm(join(folder, "a", "history.jsonl"));
    await run("a", { resume: true });
    assert.deepEqual(await history("a"), (await history("whole")).slice(1));
    assert.deepEqual(await model("a"), await model("whole"));
  });

  it("says in one line that a file cannot be written, and leaves no partial file", async function () {
    if (!existsSync("/dev/full")) this.skip(); // Linux has it
    for (const [name, file] of [
      ["history.jsonl", "history.jsonl"],
      ["checkpoint.bin.new", "checkpoint.bin"],
    ] as const) {
      await mkdir(join(folder, name));
      await symlink("/dev/full", join(folder, name, name));
      await assert.rejects(run(name), {
        name: "ModelError",
        message: `${join(folder, name, file)} cannot be written: the disk is full`,
      });
    }
    assert.ok(!existsSync(join(folder, "checkpoint.bin.new", "checkpoint.bin.new")));
  });

  it("keeps its history if the disk is still full when it resumes", async () => {
    await run("a", { until: 1 });
    const file = join(folder, "a", "history.jsonl");
    const [first] = await history("a");
    // An epoch that the checkpoint does not include: the process was killed between the two.
    await appendFile(file, `${JSON.stringify({ ...first, epoch: 2 })}\n`);
    const before = await readFile(file, "utf8");
    const { writeFile: write } = promises;
    const full: typeof write = async (path) => {
      await write(path, "");
      throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    };
    await withFiles({ promises: { writeFile: full } }, () =>
      assert.rejects(run("a", { resume: true }), {
        message: `${file} cannot be written: the disk is full`,
      }),
    );
    assert.equal(await readFile(file, "utf8"), before);
    await run("a", { resume: true });
    assert.deepEqual(
      (await history("a")).map((line) => (line as { epoch?: number }).epoch),
      [1, 2],
    );
  });

  it("says in one line that a checkpoint is damaged", async () => {
    const file = join(folder, "checkpoint.bin");
    for (const json of ["null", "{}", "{"]) {
      const length = Buffer.from(Uint32Array.of(json.length).buffer);
      await writeFile(file, Buffer.concat([Buffer.from("EKSPCKPT"), length, Buffer.from(json)]));
      await assert.rejects(train(recipe(), brightness(), { out: folder, threads: 1, resume: true }), {
        name: "ModelError",
        message: `${file}: it is damaged; delete it to start over`,
      });
    }
  });

  it("does not validate a network on what it learns from", async () => {
    await assert.rejects(run("a", {}, { data: { path: "unused", training: ["Training", "PublicTest"] } }), {
      name: "ConfigError",
      message: /brightness: `data\.training` and `validation` both name PublicTest/,
    });
  });

  it("resumes after the data set was moved, and reveals no folder in the card", async () => {
    const at = (path: string) => ({ data: { path } });
    await run("moved", { until: 1 }, at("/home/someone/faces.csv"));
    assert.equal((await run("moved", { resume: true }, at("/mnt/faces.csv"))).finished, true);
    assert.match(await card("moved"), /"path": "faces\.csv"/);
  });

  it("shifts the last biases to match the labels' frequencies, and nothing else", async () => {
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
    const { training } = JSON.parse(await card("plain")) as ModelCard;
    assert.equal((training.priorShift as number[]).length, 2);
  });

  it("says in one line that the loss is no longer a number", async () => {
    await assert.rejects(
      run("a", {}, { optimiser: { type: "sgd", rate: 1e30 }, clip: 0, epochs: 20 }),
      /the loss is no longer a number in epoch \d+, batch \d+; try a lower/,
    );
  });

  it("says the same of the validation loss, and keeps no such epoch", async () => {
    const changes = { optimiser: { type: "sgd", rate: 1e30 }, batch: 32, clip: 0, average: 0 };
    await assert.rejects(
      run("a", {}, changes),
      /the validation loss is no longer a number in epoch 1; try a lower/,
    );
    assert.equal(await readFile(join(folder, "a", "history.jsonl"), "utf8"), "");
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
