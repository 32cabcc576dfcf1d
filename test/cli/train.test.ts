import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { brightnessCsv } from "../support/brightness.js";
import { pipeline } from "../support/pipeline.js";

describe("pipeline train", function () {
  this.timeout(120_000);
  let folder: string;
  let recipe: string;
  const at = (name: string) => join(folder, name);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-train-cli-"));
    recipe = at("recipe.yaml");
    await writeFile(at("faces.csv"), brightnessCsv());
    await writeFile(recipe, "name: tiny\ndata: { path: faces.csv }\nbatch: 8\nepochs: 1\n");
  });
  after(() => rm(folder, { recursive: true }));

  const train = (...args: string[]) => pipeline("train", recipe, "--threads", "1", ...args);

  it("starts over an earlier run only with --force", async () => {
    const out = at("run");
    const first = await train("-o", out);
    assert.equal(first.code, 0, first.err);
    assert.match(first.err, /\n1 epoch; the model of epoch 1 \(lowest validation loss\) is in .*model\n$/);
    const checkpoint = await readFile(join(out, "checkpoint.bin"));
    const resumed = await train("-o", out, "--resume");
    assert.equal(resumed.code, 0);
    assert.match(resumed.err, /\nthe run was already finished; its model in .*model is unchanged\n$/);
    const again = await train("-o", out, "--seed", "2");
    assert.deepEqual(again, {
      code: 2,
      out: "",
      err: `${out} already holds a run; resume it with --resume, start over with --force, or choose another --out\n`,
    });
    assert.deepEqual(await readFile(join(out, "checkpoint.bin")), checkpoint);
    const forced = await train("-o", out, "--seed", "2", "--force");
    assert.equal(forced.code, 0, forced.err);
    assert.notDeepEqual(await readFile(join(out, "checkpoint.bin")), checkpoint);
    assert.equal((await readFile(join(out, "history.jsonl"), "utf8")).split("\n").length, 2);
    const other = await train("-o", out, "--seed", "3", "--resume");
    assert.equal(other.code, 2);
    assert.match(other.err, /differs in seed; use the same values, or start over with --force/);
    await rm(join(out, "checkpoint.bin"));
    const model = await train("-o", out);
    assert.equal(model.err, `${out} already holds a run; start over with --force, or choose another --out\n`);
  });

  for (const [what, args, says] of [
    [
      "a recipe that is not there",
      ["nosuch.yaml"],
      /^nosuch\.yaml: no such file; give the path of a recipe file$/,
    ],
    [
      "a setting without a value",
      ["--set", "foo"],
      /^--set foo: `=` is missing; write e\.g\. --set epochs=30$/,
    ],
    [
      "data that is not there",
      ["--set", "data.path=nosuch.csv"],
      /nosuch\.csv: no such file or folder; give a CSV file or a folder of classes$/,
    ],
    [
      "votes that are not there",
      ["--set", "data.ferplus.path=nosuch.csv"],
      /nosuch\.csv: no such file or folder; give FER\+'s fer2013new\.csv$/,
    ],
    [
      "a model to begin from that is not there",
      ["--set", "from=nosuch"],
      /^--set from: model nosuch: not found; use fer2013-small, fer2013-study, or the path /,
    ],
    ["a folder to begin from that is no model", ["--set", "from=./nosuch"], /nosuch: folder not found; /],
    ["a teacher that is not there", ["--set", "teacher.model=./nosuch"], /nosuch: folder not found; /],
    [
      "a split to judge on that there is not",
      ["--set", "validation=[nosuch]", "-q"],
      /^faces\.csv: no pictures in nosuch \(the data set has Training, PublicTest\); name the splits to validate on /,
    ],
    [
      "nothing to resume",
      ["--resume"],
      /^.*none holds no checkpoint to resume from; start without --resume$/,
    ],
    ["to resume and to start over", ["--resume", "--force"], /^--resume and --force cannot be combined; /],
    [
      "no threads",
      ["--threads", "x"],
      /^--threads x: must be a whole number from 1 to \d+, the number of cores$/,
    ],
    [
      "more threads than cores",
      ["--threads", String(availableParallelism() + 1)],
      /^--threads \d+: must be a whole number from 1 to \d+, the number of cores$/,
    ],
  ] as [string, string[], RegExp][])
    it(`rejects ${what} in one line, exits with 2 and leaves nothing behind`, async () => {
      const file = args[0]?.endsWith(".yaml") ? [] : [recipe];
      const { code, err } = await pipeline("train", ...file, ...args, "-o", at("none"));
      assert.equal(code, 2, err);
      assert.match(err.trimEnd(), says);
      assert.equal(err.trimEnd().split("\n").length, 1);
      assert(!existsSync(at("none")));
    });

  it("rejects an output folder that is a file", async () => {
    const { code, err } = await train("-o", recipe);
    assert.equal(code, 2);
    assert.equal(err, `--out ${recipe}: it is a file; give a folder\n`);
  });

  it("exits with 1 if the data is damaged, and names the recipe option that allows it", async () => {
    await writeFile(at("damaged.csv"), `${brightnessCsv()}\n1,,Training`);
    const { code, err } = await train("--set", `data.path=${at("damaged.csv")}`, "-o", at("none"));
    assert.equal(code, 1);
    assert.match(err, /1 of 41 pictures .*; repair or remove them, or raise `data\.maxDamaged`\n$/);
  });

  it("exits with 1 if the training diverges", async () => {
    const { code, err } = await train("--set", "optimiser.rate=1e30", "-o", at("diverged"), "--epochs", "20");
    assert.equal(code, 1);
    assert.match(err, /the loss is no longer a number/);
  });
});
