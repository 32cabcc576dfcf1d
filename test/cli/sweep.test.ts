import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { loadRecipe, loadSweep, settingsOf } from "#src/cli/recipe.js";
import { brightnessCsv } from "../support/brightness.js";
import { pipeline } from "../support/pipeline.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const RECIPES = fileURLToPath(new URL("../../recipes/", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly err: string;
}

describe("pipeline sweep", function () {
  this.timeout(240_000);
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-sweep-cli-"));
    await writeFile(join(folder, "faces.csv"), brightnessCsv());
    await writeFile(
      join(folder, "recipe.yaml"),
      `name: tiny\ndata: { path: ${join(folder, "faces.csv")} }\nbatch: 4\nepochs: 3\ndropout: 0.2\nmixup: 0.2\naugment: { flip: 0.5 }\n`,
    );
    await writeFile(
      join(folder, "sweep.yaml"),
      "name: two\nrecipe: recipe.yaml\nmethod: one-factor\nsteps:\n  - { vary: seed, values: [1, 2] }\n",
    );
  });
  after(() => rm(folder, { recursive: true, force: true }));

  function start(...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
    const child = spawn(process.execPath, [MAIN, "sweep", ...args, "--threads", "1"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let err = "";
    child.stderr?.on("data", (part) => {
      err += String(part);
    });
    const ended = new Promise<Ended>((resolve) =>
      child.on("close", (code, signal) => resolve({ code, signal, err })),
    );
    return { child, ended };
  }

  const sweepFile = () => join(folder, "sweep.yaml");
  const figures = async (out: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, out, "sweep.json"), "utf8"), (key, value: unknown) =>
      key === "seconds" ? 0 : value,
    );

  it("ends with identical results when killed at random moments and resumed", async () => {
    const whole = await start(sweepFile(), "--out", join(folder, "whole")).ended;
    assert.equal(whole.code, 0, whole.err);
    assert.match(whole.err, /1-seed-1 {2}done {2}validation accuracy/);
    const out = join(folder, "killed");
    const checkpoint = (run: string) => join(out, "runs", run, "checkpoint.bin");
    let killed = 0;
    // Once right at the start, once in each run; after that at random.
    for (const begun of [out, checkpoint("1-seed-1"), checkpoint("2-seed-2")]) {
      const { child, ended } = start(sweepFile(), "--out", out, ...(killed > 0 ? ["--resume"] : []));
      let over = false;
      void ended.then(() => {
        over = true;
      });
      while (!over && !existsSync(begun)) await wait(5);
      await wait(Math.random() * 300);
      child.kill("SIGKILL");
      if ((await ended).signal === "SIGKILL") killed += 1;
    }
    assert.ok(killed >= 1, "it was never killed");
    const rest = await start(sweepFile(), "--out", out, "--resume").ended;
    assert.equal(rest.code, 0, rest.err);
    assert.deepEqual(await figures("killed"), await figures("whole"));
    assert.match(await readFile(join(out, "report.html"), "utf8"), /<h1>Sweep two<\/h1>/);
  });

  it("saves and stops on SIGINT with exit code 0, and refuses to overwrite it", async () => {
    const out = join(folder, "stopped");
    const { child, ended } = start(sweepFile(), "--out", out);
    while (!existsSync(join(out, "sweep.json"))) await wait(5);
    child.kill("SIGINT");
    const { code, err } = await ended;
    assert.equal(code, 0, err);
    assert.match(err, /saved in .*; resume with --resume/);
    const again = await start(sweepFile(), "--out", out).ended;
    assert.equal(again.code, 2);
    assert.match(again.err, /already holds a sweep; resume it with --resume/);
  });

  it("reports in one line which value the recipe does not accept, before anything runs", async () => {
    await writeFile(
      join(folder, "odd.yaml"),
      "name: odd\nrecipe: recipe.yaml\nmethod: grid\nparameters: { batch: [4, -1] }\n",
    );
    const { code, err } = await start(join(folder, "odd.yaml"), "--out", join(folder, "odd")).ended;
    assert.equal(code, 2);
    assert.match(err, /odd\.yaml, batch=-1: .*batch/);
    assert.ok(!existsSync(join(folder, "odd")));
  });

  it("exits with 1 if no run completes its training, and names no model", async () => {
    await writeFile(
      join(folder, "failing.yaml"),
      "name: failing\nrecipe: recipe.yaml\nmethod: grid\nparameters: { optimiser.rate: [1.0e+30] }\n",
    );
    const out = join(folder, "failing");
    for (const args of [[], ["--resume"]]) {
      const { code, err } = await start(join(folder, "failing.yaml"), "-o", out, ...args).ended;
      assert.equal(code, 1);
      assert.match(err, /1-1e-30 {2}failed {2}the (validation )?loss is no longer a number/);
      assert.ok(
        err.endsWith(`\nnone of the runs completed its training; see ${out}/report.html for the reasons\n`),
      );
    }
  });

  it("resolves paths of a sweep file relative to its folder", () => {
    const settings = { "data.path": "small.csv", "teacher.model": "./m", from: "fer2013-small", batch: 8 };
    assert.deepEqual(settingsOf(settings, "/sweeps"), [
      'data.path="/sweeps/small.csv"',
      'teacher.model="/sweeps/m"',
      'from="fer2013-small"',
      "batch=8",
    ]);
  });

  it("leaves nothing behind if the data is missing, so that the corrected command can start", async () => {
    const out = join(folder, "corrected");
    const wrong = await start(sweepFile(), "-o", out, "--set", "data.path=nosuch.csv").ended;
    assert.equal(wrong.code, 2, wrong.err);
    assert.match(wrong.err, /^[^\n]*nosuch\.csv: no such file or folder; [^\n]*\n$/);
    assert.ok(!existsSync(out));
    const right = await start(sweepFile(), "-o", out, "--set", "epochs=1").ended;
    assert.equal(right.code, 0, right.err);
  });

  it("rejects mistakes in one line, before anything is read", async () => {
    for (const [args, says] of [
      [["nosuch.yaml"], /^nosuch\.yaml: no such file; give the path of a sweep file\n$/],
      [[sweepFile(), "--set", "foo"], /^--set foo: `=` is missing; write e\.g\. --set epochs=30\n$/],
      [[sweepFile(), "-o", sweepFile()], /^--out .*sweep\.yaml: it is a file; give a folder\n$/],
      [[sweepFile(), "--set", "from=nosuch"], /^--set from: model nosuch: not found; [^\n]*\n$/],
    ] as const) {
      const { code, err } = await start(...args).ended;
      assert.equal(code, 2, err);
      assert.match(err, says);
    }
    for (const [key, value, says] of [
      ["teacher.model", "./nosuch", /^model .*nosuch: folder not found; [^\n]*\n$/],
      ["data.path", "faces.csv, nosuch.csv", /^[^\n]*nosuch\.csv: no such file or folder; [^\n]*\n$/],
    ] as const) {
      const late = join(folder, "late.yaml");
      const parameters = `{ batch: [4], ${key}: [${value}] }`;
      await writeFile(late, `name: late\nrecipe: recipe.yaml\nmethod: grid\nparameters: ${parameters}\n`);
      const { code, err } = await start(late, "-o", join(folder, "late")).ended;
      assert.equal(code, 2, err);
      assert.match(err, says);
      assert.ok(!existsSync(join(folder, "late")));
    }
    const { code, err } = await pipeline(
      "sweep",
      sweepFile(),
      "--threads",
      String(availableParallelism() + 1),
    );
    assert.equal(code, 2);
    assert.match(err, /^--threads \d+: must be a whole number from 1 to \d+, the number of cores\n$/);
  });
});

describe("shipped recipes", () => {
  for (const name of ["fer2013-small", "fer2013-study", "study-as-stated"])
    it(`${name} is valid`, async () => {
      assert.equal((await loadRecipe(join(RECIPES, `${name}.yaml`), [])).name, name);
    });

  it("study-sweep tries the values the study tried", async () => {
    const sweep = await loadSweep(join(RECIPES, "study-sweep.yaml"));
    await loadRecipe(sweep.recipe, []);
    assert.deepEqual(
      sweep.steps?.map(({ vary, values }) => [vary, values]),
      [
        ["batch", [16, 32, 64, 128, 256]],
        ["epochs", [30, 50, 70, 90, 100]],
        ["dropout", [0.2, 0.4, 0.5, 0.6, 0.8]],
      ],
    );
    assert.deepEqual(sweep.steps?.[0]?.with, { epochs: 50, dropout: 0 });
  });
});
