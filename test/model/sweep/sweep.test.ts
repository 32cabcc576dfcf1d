import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Default } from "typebox/value";
import { ConfigError, ModelError } from "#src/errors.js";
import {
  checkSweep,
  type RunRecord,
  type Settings,
  type SweepDefinition,
  type SweepOptions,
  type SweepRecord,
  sweep,
  sweepReport,
} from "#src/model/sweep/index.js";
import { combinations, stepRuns } from "#src/model/sweep/plan.js";
import { scoreOf } from "#src/model/sweep/record.js";
import { type EpochReport, Recipe, type StepReport } from "#src/model/training/index.js";
import { brightness } from "../../support/brightness.js";

/** A recipe with `settings` at its top level or one level below. */
function recipeOf(settings: Settings): Promise<Recipe> {
  const recipe: Record<string, unknown> = {
    name: "tiny",
    data: { path: "unused" },
    width: 0.25, // starting a run takes longer than training it
    batch: 8,
    epochs: 2,
    dropout: 0,
    optimiser: { type: "sgd", rate: 0.02 },
  };
  for (const [key, value] of Object.entries(settings)) {
    const [first = "", second] = key.split(".");
    recipe[first] = second ? { ...(recipe[first] as object), [second]: value } : value;
  }
  if (recipe.batch === 0) throw new ConfigError("TEST", "batch is 0");
  return Promise.resolve(Default(Recipe, recipe) as Recipe);
}

describe("a sweep", function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-sweep-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  let shared: string | undefined;
  let whole: Promise<SweepRecord> | undefined;
  after(() => shared && rm(shared, { recursive: true }));
  /** What the sweep `steps` gives if nothing happens to it; trained once for all tests. */
  const undisturbed = () => {
    whole ??= mkdtemp(join(tmpdir(), "ekspresi-whole-")).then((out) => {
      shared = out;
      return sweep(steps, options({ out }));
    });
    return whole;
  };

  const options = (changes: Partial<SweepOptions> = {}): SweepOptions => ({
    out: folder,
    threads: 1,
    recipeOf,
    dataset: () => Promise.resolve(brightness()),
    ...changes,
  });

  const steps: SweepDefinition = {
    name: "steps",
    recipe: "tiny.yaml",
    method: "one-factor",
    judge: "accuracy",
    steps: [
      { vary: "batch", values: [4, 16], with: { epochs: 1, dropout: 0.1 } },
      { vary: "epochs", values: [1, 2] },
    ],
  };

  it("varies one factor after another and carries on with the best value", async () => {
    const left: number[] = [];
    const record = await sweep(steps, options({ onChange: (_, { runs }) => void left.push(runs) }));
    assert.equal(record.finished, true);
    assert.deepEqual(
      record.runs.map(({ id, state, history }) => [id, state, history.length]),
      [
        ["1-batch-4", "done", 1],
        ["1-batch-16", "done", 1],
        ["2-epochs-1", "done", 1],
        ["2-epochs-2", "done", 2],
      ],
    );
    const [a, b, c] = record.runs;
    assert.deepEqual(a?.settings, { epochs: 1, dropout: 0.1, batch: 4 });
    const better = (b?.kept?.validationAccuracy ?? 0) > (a?.kept?.validationAccuracy ?? 0) ? 16 : 4;
    assert.equal(c?.settings.batch, better);
    // A run with the same values gives the same figures.
    const same = record.runs.find(({ settings }) => settings.batch === better && settings.epochs === 1);
    assert.deepEqual(c?.history.map(plain), same?.history.map(plain));
    const bests = record.runs.map(({ kept }) => kept?.validationAccuracy ?? 0);
    assert.equal(
      record.runs.find(({ id }) => id === record.best)?.kept?.validationAccuracy,
      Math.max(...bests),
    );
    assert.deepEqual(left, [4, 4, 3, 3, 2, 2, 1, 1, 1]);
    assert.deepEqual(JSON.parse(await readFile(join(folder, "sweep.json"), "utf8")), record);
    assert.doesNotMatch(sweepReport(record), /the study/);
    const [first, second] = steps.steps ?? [];
    const values = [4, 16, 32, 64];
    const definition = { ...record.definition, steps: [{ ...first, values }, second] } as SweepDefinition;
    const html = sweepReport({ ...record, definition });
    assert.match(html, /the study, Table 7/);
    assert.match(html, /60\.59 %/);
    assert.doesNotMatch(html, /<script|https?:\/\/(?!www\.w3\.org)/);
  });

  it("stops at its signal in the middle of a run and resumes to the same figures", async () => {
    const out = join(folder, "stopped");
    for (const after of [1, 4]) {
      const stop = new AbortController();
      let seen = 0;
      const part = await sweep(
        steps,
        options({
          out,
          signal: stop.signal,
          onStep: () => {
            seen += 1;
            if (seen === after) stop.abort();
          },
        }),
      );
      assert.equal(part.finished, false);
    }
    assert.deepEqual(figures(await sweep(steps, options({ out }))), figures(await undisturbed()));
  });

  it("trains a run to its end although it was killed twice, first just before or after its last checkpoint", async () => {
    const grid: SweepDefinition = {
      name: "grid",
      recipe: "tiny.yaml",
      method: "grid",
      judge: "accuracy",
      parameters: { batch: [8, 16] },
    };
    const whole = await sweep(grid, options({ out: join(folder, "whole") }));
    const killed = () => {
      throw new Error("killed");
    };
    const last: Partial<SweepOptions> = { onEpoch: (_, { epoch }) => (epoch === 2 ? killed() : undefined) };
    for (const moment of [last, { onStep: killed }])
      await assert.rejects(sweep(grid, options(moment)), /^Error: killed$/);
    assert.deepEqual(figures(await sweep(grid, options())), figures(whole));
    // And between its last checkpoint and its model, which is found out by resuming.
    const [first, second] = whole.runs;
    assert.ok(first && second);
    const runs = [first, { ...second, state: "running" }];
    await writeFile(join(folder, "sweep.json"), JSON.stringify({ ...whole, finished: false, runs }));
    const model = join(folder, "runs", second.id, "model");
    await rm(model, { recursive: true });
    assert.deepEqual(figures(await sweep(grid, options())), figures(whole));
    assert.ok(existsSync(model));
  });

  it("leaves nothing behind that a corrected recipe would have to resume", async () => {
    const unjudged = async (settings: Settings) => ({ ...(await recipeOf(settings)), validation: ["none"] });
    const out = join(folder, "corrected");
    const short = { ...steps, steps: [{ vary: "batch", values: [4] }] };
    await assert.rejects(sweep(short, options({ out, recipeOf: unjudged })), /no pictures in none/);
    assert.ok(!existsSync(out));
    assert.equal((await sweep(short, options({ out }))).finished, true);
  });

  it("refuses to resume if the sweep or its recipe has changed", async () => {
    const stop = new AbortController();
    stop.abort();
    await sweep(steps, options({ signal: stop.signal }));
    await assert.rejects(sweep({ ...steps, judge: "loss" }, options()), /belongs to another sweep/);
    const other = (settings: Settings) => recipeOf({ ...settings, seed: 9 });
    await assert.rejects(sweep(steps, options({ recipeOf: other })), /or its recipe has changed/);
  });

  it("refuses to resume if the pictures have changed, and advises no flag that only training has", async () => {
    const { label, ...rest } = brightness();
    const other = { ...rest, label: label.map((own) => 1 - own) };
    const stop = { within: new AbortController(), between: new AbortController() };
    const within = { signal: stop.within.signal, onStep: () => stop.within.abort() };
    const between = {
      signal: stop.between.signal,
      onChange: ({ runs }: SweepRecord) => {
        if (runs[0]?.state === "done") stop.between.abort();
      },
    };
    for (const stopped of [within, between]) {
      const out = join(folder, stopped === within ? "within a run" : "between runs");
      await sweep(steps, options({ out, ...stopped }));
      await assert.rejects(sweep(steps, options({ out, dataset: async () => other })), {
        name: "ConfigError",
        message: `${out}: the pictures, or a model that it learns from, have changed since run 1-batch-4 began; restore them, or choose another --out`,
      });
    }
  });

  it("tries all combinations of a grid, prunes the worse ones early, and survives one that diverges", async () => {
    const grid: SweepDefinition = {
      name: "grid",
      recipe: "tiny.yaml",
      method: "grid",
      judge: "loss",
      set: { clip: 0 },
      parameters: { "optimiser.rate": [0.05, 0.0000001, 1e30], dropout: [0, 0.2] },
      halving: { epochs: 1, factor: 3 },
    };
    const record = await sweep(grid, options());
    assert.equal(record.runs.length, 6);
    const states = (rate: number) =>
      record.runs.filter(({ settings }) => settings["optimiser.rate"] === rate).map(({ state }) => state);
    assert.deepEqual(
      states(1e30).map((state) => state !== "done"),
      [true, true],
    );
    assert.equal(record.runs.filter(({ state }) => state === "done").length, 2);
    const firstLosses = (wanted: RunRecord["state"]) =>
      record.runs.flatMap(({ state, history }) =>
        state === wanted ? (history[0]?.validationLoss ?? []) : [],
      );
    assert.ok(Math.max(...firstLosses("done")) <= Math.min(...firstLosses("pruned")));
    for (const { state, history, settings, failure } of record.runs) {
      assert.equal(settings.clip, 0);
      if (state === "pruned") assert.equal(history.length, 1);
      if (state === "done") assert.equal(history.length, 2);
      if (state === "failed") assert.match(failure ?? "", /no longer a number/);
    }
    assert.match(sweepReport(record), /pruned/);
  });

  it("ranks the runs of a search by their score, those without a model last", () => {
    const run = (id: string, validationAccuracy: number, validationLoss: number): RunRecord => {
      const kept = {
        epoch: 1,
        rate: 1,
        loss: 1,
        accuracy: 1,
        validationLoss,
        validationAccuracy,
        seconds: 1,
      };
      return { id, settings: { batch: 1 }, state: "done", history: [kept], kept };
    };
    const failed: RunRecord = { id: "failed", settings: { batch: 2 }, state: "failed", history: [] };
    const runs = [failed, run("accurate", 0.9, 2), run("sure", 0.8, 1)];
    const order = (judge: "accuracy" | "loss") => {
      const definition: SweepDefinition = { name: "x", recipe: "x.yaml", method: "grid", judge };
      const html = sweepReport({ format: 1, definition, recipe: {}, finished: true, runs, sources: {} });
      return [...html.matchAll(/<th scope="row">(accurate|sure|failed)<\/th>/g)].map(([, id]) => id);
    };
    assert.deepEqual(order("accuracy"), ["accurate", "sure", "failed"]);
    assert.deepEqual(order("loss"), ["sure", "accurate", "failed"]);
  });

  it("prefers the lower loss where accuracies are equal, and nowhere else", () => {
    const score = (validationAccuracy: number, validationLoss: number) =>
      scoreOf(
        { judge: "accuracy" } as SweepDefinition,
        { validationAccuracy, validationLoss } as EpochReport,
      );
    assert(score(0.7, 0.8) > score(0.7, 1.2));
    assert(score(0.7, 1000) > score(0.7 - 1 / 100_000, 0.1));
  });

  it("prunes a failed run before a worse one", async () => {
    const grid: SweepDefinition = {
      name: "grid",
      recipe: "tiny.yaml",
      method: "grid",
      judge: "loss",
      set: { epochs: 4 },
      parameters: { "optimiser.rate": [0.05, 1e-7] },
      halving: { epochs: 2, factor: 2 },
    };
    const onStep = (id: string, { epoch }: StepReport) => {
      if (id.startsWith("1-") && epoch === 2) throw new ModelError("TRAINING_DIVERGED", "it diverged");
    };
    const record = await sweep(grid, options({ onStep }));
    assert.deepEqual(
      record.runs.map(({ state, history, kept }) => [state, history.length, kept !== undefined]),
      [
        ["failed", 1, false],
        ["done", 4, true],
      ],
    );
    assert.equal(record.best, record.runs[1]?.id);
    assert.match(sweepReport(record), /it diverged/);
  });

  it("continues if the data does not allow one run's values", async () => {
    const batches = (values: number[]): SweepDefinition => ({ ...steps, steps: [{ vary: "batch", values }] });
    const record = await sweep(batches([16, 99, 32]), options());
    assert.equal(record.finished, true);
    assert.deepEqual(
      record.runs.map(({ state }) => state),
      ["done", "failed", "done"],
    );
    assert.match(record.runs[1]?.failure ?? "", /fewer than one batch of 99/);
    const out = join(folder, "first");
    await assert.rejects(sweep(batches([99, 16]), options({ out })), /fewer than one batch of 99/);
    assert.ok(!existsSync(out));
  });

  it("says in one line that its record is invalid", async () => {
    for (const text of ["null", "{}", "{"]) {
      await writeFile(join(folder, "sweep.json"), text);
      await assert.rejects(sweep(steps, options()), {
        name: "ConfigError",
        message: `${join(folder, "sweep.json")}: not a sweep record; choose another --out`,
      });
    }
  });

  it("says in one line that a run's history is damaged, and trains that run again without it", async () => {
    const stop = new AbortController();
    const before = { signal: stop.signal, onStep: () => stop.abort() };
    await sweep(steps, options(before));
    const run = join(folder, "runs", "1-batch-4");
    await writeFile(join(run, "history.jsonl"), "\0\0\0\n");
    const file = join(run, "checkpoint.bin");
    const checkpoint = await readFile(file, "latin1");
    await writeFile(file, checkpoint.replace('"epoch":0', '"epoch":1'), "latin1");
    await assert.rejects(sweep(steps, options()), {
      name: "ConfigError",
      message: `${join(run, "history.jsonl")}: line 1 is damaged; remove ${run} to train this run again`,
    });
    await rm(run, { recursive: true });
    assert.deepEqual(figures(await sweep(steps, options())), figures(await undisturbed()));
  });

  it("has a folder for each run, whatever the values", () => {
    const long = "a-folder-with-quite-a-long-name-for-the-faces-of-our-visitors";
    for (const values of [
      [-1, 1],
      ["a", "A"],
      [`${long}/one.csv`, `${long}/two.csv`],
      [0.1, 0.2],
    ]) {
      const ids = stepRuns(0, { vary: "data.path", values }, {}).map(({ id }) => id);
      assert.equal(new Set(ids).size, 2, ids.join());
    }
    assert.equal(stepRuns(1, { vary: "batch", values: [4, 8] }, {})[0]?.id, "2-batch-4");
  });

  it("reads its recipes one after another, however many there are", async () => {
    const random: SweepDefinition = {
      name: "random",
      recipe: "tiny.yaml",
      method: "random",
      judge: "loss",
      runs: 50,
      parameters: { dropout: { from: 0, to: 0.5 } },
    };
    const stop = new AbortController();
    stop.abort();
    let [now, most] = [0, 0];
    const counted = async (settings: Settings) => {
      now += 1;
      most = Math.max(most, now);
      await sleep(1);
      now -= 1;
      return recipeOf(settings);
    };
    await sweep(random, options({ recipeOf: counted, signal: stop.signal }));
    assert.equal(most, 1);
  });

  it("draws at random, the same with the same seed", () => {
    const random: SweepDefinition = {
      name: "random",
      recipe: "tiny.yaml",
      method: "random",
      judge: "loss",
      runs: 40,
      parameters: { "optimiser.rate": { from: 1e-4, to: 1, log: true }, batch: [8, 16] },
    };
    const runs = combinations(random);
    assert.deepEqual(combinations(random), runs);
    assert.notDeepEqual(combinations({ ...random, seed: 2 }), runs);
    const rates = runs.map(({ settings }) => Number(settings["optimiser.rate"]));
    assert.ok(rates.every((rate) => rate >= 1e-4 && rate <= 1));
    const low = rates.filter((rate) => rate < 0.01).length;
    assert.ok(low > 10 && low < 30, `${low} of 40 below the middle`);
    assert.equal(new Set(runs.map(({ id }) => id)).size, 40);
  });

  it("checks every value before the first run", async () => {
    const odd = { ...steps, steps: [{ vary: "batch", values: [8, 0] }] };
    await assert.rejects(
      checkSweep(odd, async (settings) => recipeOf(settings)),
      /batch is 0/,
    );
    await assert.rejects(checkSweep({ ...steps, method: "grid" }, recipeOf), /`grid` needs `parameters`/);
    await assert.rejects(
      checkSweep({ ...steps, halving: { epochs: 1, factor: 3 } }, recipeOf),
      /`halving` is for `grid` and `random`/,
    );
    const twice = { ...steps, steps: [{ vary: "batch", values: [8, 4, 8] }] };
    await assert.rejects(checkSweep(twice, recipeOf), /`batch` lists 8 twice/);
    const digits = Array.from({ length: 10 }, (_, i) => i);
    const parameters = Object.fromEntries([..."abcdefg"].map((key) => [key, digits]));
    const { steps: _, ...grid } = { ...steps, method: "grid" as const, parameters };
    await assert.rejects(checkSweep(grid, recipeOf), /its grid has 10000000 combinations, more than 10000/);
  });
});

const plain = (report: object) => ({ ...report, seconds: 0 });

/** Everything except times. */
function figures(record: object): unknown {
  return JSON.parse(JSON.stringify(record, (key, value: unknown) => (key === "seconds" ? 0 : value)));
}
