import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ModelCard } from "#src/model/card.js";
import { writeMetrics } from "#src/model/evaluation/index.js";
import { loadModel, SHIPPED_MODELS } from "#src/model/load.js";
import { pipeline } from "../support/pipeline.js";
import { writeTinyModel } from "../support/tiny-model.js";

describe("pipeline models", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-models-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("exports a model for TensorFlow.js as a folder that is itself a model", async () => {
    const out = join(folder, "out");
    const made = await pipeline("models", "export", "fer2013-small", "--format", "tfjs", "-o", out);
    assert.equal(made.code, 0, made.err);
    assert.equal(made.out, `${out}: model.json, weights.bin, card.json\n`);
    const card = JSON.parse(await readFile(join(out, "card.json"), "utf8")) as ModelCard;
    assert.deepEqual(
      card.files.map(({ path, kind }) => [path, kind]),
      [
        ["model.json", "tfjs"],
        ["weights.bin", "tfjs-weights"],
      ],
    );
    const checked = await pipeline("models", "check", out);
    assert.equal(checked.code, 0, checked.err);
    assert.match(checked.out, /ok, 2 files, runs on tfjs /);
  });

  it("shows a card as text, with its origin and without empty facts", async () => {
    const { out } = await pipeline("models", "show", "fer2013-small");
    assert.match(out, /^input {7}48x48 grey, pixels scaled to -1\.\.1$/m);
    assert.match(out, /^face {8}5 % of the box added on each side$/m);
    assert.match(out, /^data {8}FER-2013 Training, /m);
    assert.match(out, /^epochs {6}61\nseed {8}1$/m);
    assert.match(out, /^measured {4}FER-2013 PublicTest in 8 bits: accuracy 70\.05 %/m);
    assert.doesNotMatch((await pipeline("models", "show", "fer2013-study")).out, /^face/m);
    const model = await writeTinyModel(join(folder, "tiny"), undefined, (card) => {
      card.face = { margin: 0.1, shiftY: -0.05 };
      card.training = { data: "faces", epochs: 3, seed: 7, recipe: { from: "fer2013-small" } };
      const [file] = card.files as object[];
      card.files = [file, { ...file, kind: "onnx-int8" }];
    });
    const own = (await pipeline("models", "show", model)).out;
    assert.match(own, /^face {8}10 % of the box added on each side, moved up by 5 % of its height$/m);
    assert.match(own, /^from {8}fer2013-small\ndata {8}faces\nepochs {6}3\nseed {8}7$/m);
    assert.match(own, /^unmeasured {2}the 8-bit file; /m);
  });

  it("exports a checked copy of the ONNX file", async () => {
    const model = await writeTinyModel(join(folder, "tiny"));
    const out = join(folder, "out");
    assert.equal((await pipeline("models", "export", model, "--format", "onnx", "-o", out)).code, 0);
    assert.deepEqual((await readdir(out)).sort(), ["card.json", "model.onnx"]);
    assert.deepEqual(await readFile(join(out, "model.onnx")), await readFile(join(model, "model.onnx")));
    assert.match((await pipeline("models", "check", out)).out, /ok, 1 file, runs on onnx cpu/);
  });

  it("does not export the ONNX file that a model for TensorFlow.js lacks", async () => {
    const [own, out] = [join(folder, "own"), join(folder, "out")];
    assert.equal(
      (await pipeline("models", "export", "fer2013-small", "--format", "tfjs", "-o", own)).code,
      0,
    );
    const { code, err } = await pipeline("models", "export", own, "--format", "onnx", "-o", out);
    assert.equal(code, 1);
    assert.equal(
      err,
      "model fer2013-small: it has no onnx file; use the model from which this one was exported\n",
    );
    assert.ok(!existsSync(out));
  });

  it("adds an 8-bit file, which can then be measured", async () => {
    const pixels = (row: number) => Array.from({ length: 2304 }, (_, i) => (i * (row + 3)) % 256).join(" ");
    const rows = Array.from(
      { length: 40 },
      (_, i) => `${i % 7},${pixels(i)},${i < 30 ? "Training" : "PublicTest"}`,
    );
    const data = join(folder, "faces.csv");
    await writeFile(data, ["emotion,pixels,Usage", ...rows].join("\n"));
    const out = join(folder, "small");
    const made = await pipeline("models", "quantize", "fer2013-small", "--data", data, "-o", out);
    assert.equal(made.code, 0, made.err);
    assert.match(made.out, /model\.int8\.onnx, 2\d % of the model's size, calibrated on 30 pictures/);
    assert.match(
      (await pipeline("models", "check", out)).out,
      /ok, 2 files, runs on onnx cpu; onnx cpu, 8 bits\n$/,
    );
    const measured = await pipeline("evaluate", out, "--data", data, "--precision", "int8", "--card");
    assert.match(measured.out, /10 pictures of PublicTest, run on onnx cpu, 8 bits/);
    const card = JSON.parse(await readFile(join(out, "card.json"), "utf8")) as ModelCard;
    assert.equal(card.metrics.at(-1)?.precision, "int8");
    const none = await pipeline(
      "models",
      "quantize",
      "fer2013-small",
      "--data",
      data,
      "-o",
      out,
      "--pictures",
      "0",
    );
    assert.equal(none.code, 2);
    assert.match(none.err, /--pictures 0: must be a whole number of at least 1/);
  });

  it("does not take back what was added to the card meanwhile", async function () {
    if (process.platform === "win32") this.skip(); // it has no named pipes in folders
    const own = join(folder, "measured");
    await cp(join(SHIPPED_MODELS, "fer2013-small"), own, { recursive: true });
    const data = join(folder, "slow.csv");
    await promisify(execFile)("mkfifo", [data]);
    const quantized = pipeline("models", "quantize", own, "--data", data, "-o", own);
    const writer = await open(data, "w"); // opens once the data is read, and so after the card
    const figures = { images: 0, accuracy: 0.5, macroF1: 0.5, ece: 0.1, top2: 0.7 };
    const metrics = { dataset: "mine", split: "test", flip: false, ...figures, classes: [], confusion: [] };
    await writeMetrics(await loadModel(own, "."), metrics);
    const pixels = Array.from({ length: 2304 }, (_, i) => i % 256).join(" ");
    await writer.writeFile(`emotion,pixels,Usage\n1,${pixels},Training\n`);
    await writer.close();
    const { code, err } = await quantized;
    assert.equal(code, 0, err);
    const { card } = await loadModel(own, ".");
    assert.deepEqual(card.metrics.at(-1), metrics);
    assert.deepEqual(
      card.files.map(({ kind }) => kind),
      ["onnx", "onnx-int8"],
    );
  });

  it("adds a format to the model's own folder, and replaces another model only with --force", async () => {
    const kinds = async (at: string) =>
      (JSON.parse(await readFile(join(at, "card.json"), "utf8")) as ModelCard).files.map(({ kind }) => kind);
    const own = join(folder, "own");
    const onnx = ["export", "fer2013-small", "--format", "onnx", "-o"];
    assert.equal((await pipeline("models", ...onnx, own)).code, 0);
    const added = await pipeline("models", "export", own, "--format", "tfjs", "-o", `${own}/.`);
    assert.equal(added.code, 0, added.err);
    assert.deepEqual(await kinds(own), ["onnx", "onnx-int8", "tfjs", "tfjs-weights"]);
    assert.match((await pipeline("models", "check", own)).out, /ok, 4 files/);
    const tiny = await writeTinyModel(join(folder, "tiny"));
    const card = await readFile(join(tiny, "card.json"), "utf8");
    for (const args of [onnx, ["quantize", "fer2013-small", "--data", "nosuch.csv", "-o"]]) {
      const { code, err } = await pipeline("models", ...args, tiny);
      assert.equal(code, 2);
      assert.equal(
        err,
        `--out ${tiny}: the folder holds another model; replace it with --force, or choose another folder\n`,
      );
    }
    assert.equal(await readFile(join(tiny, "card.json"), "utf8"), card);
    assert.equal((await pipeline("models", ...onnx, tiny, "--force")).code, 0);
    assert.deepEqual(await kinds(tiny), ["onnx", "onnx-int8"]);
  });

  it("rejects an unknown format, and a model that contradicts its card, in one line", async () => {
    const odd = await pipeline("models", "export", "fer2013-small", "--format", "h5", "-o", folder);
    assert.equal(odd.code, 2);
    assert.match(odd.err, /Allowed choices are onnx, tfjs/);
    const model = await writeTinyModel(join(folder, "tiny"), undefined, (card) => {
      card.files = (card.files as object[]).map((file) => ({ ...file, sha256: "0".repeat(64) }));
    });
    const wrong = await pipeline("models", "export", model, "--format", "tfjs", "-o", join(folder, "out"));
    assert.equal(wrong.code, 1);
    assert.match(wrong.err, /^model tiny: [^\n]+its hash differs[^\n]*\n$/);
  });

  it("checks each format of a model, not only the first", async () => {
    const broken = Buffer.from("no graph");
    const sha256 = createHash("sha256").update(broken).digest("hex");
    for (const kind of ["onnx-int8", "tfjs"] as const) {
      const model = await writeTinyModel(join(folder, kind), undefined, (card) => {
        const file = { path: "other", kind, bytes: broken.length, sha256 };
        const weights = { ...file, kind: "tfjs-weights" };
        card.files = [...(card.files as object[]), file, ...(kind === "tfjs" ? [weights] : [])];
      });
      await writeFile(join(model, "other"), broken);
      const { code, err, out } = await pipeline("models", "check", model);
      assert.equal(code, 1, out);
      assert.match(err, /^model tiny: [^\n]+\n$/);
    }
  });

  it("does not let a hostile card control the terminal", async () => {
    const model = await writeTinyModel(join(folder, "tiny"), undefined, (card) => {
      card.summary = "\u001b[2J\u001b]0;title\u0007 \u009b31m";
    });
    const { out } = await pipeline("models", "show", model);
    assert.doesNotMatch(out, /[^\P{Cc}\n]/u);
    assert.match(out, /\ufffd\[2J/);
  });

  it("exits with 2 for a missing model, and with 1 for a damaged one", async () => {
    const damaged = await writeTinyModel(join(folder, "tiny"), undefined, (card) => {
      card.files = (card.files as object[]).map((file) => ({ ...file, bytes: 7 }));
    });
    const none = /^model nosuch: not found; use fer2013-small, fer2013-study, or [^\n]*\n/;
    for (const [args, code, says] of [
      [["show", "nosuch"], 2, none],
      [["check", "nosuch"], 2, none],
      [["check", "nosuch", damaged], 2, none],
      [["check", damaged], 1, /^model tiny: [^\n]*bytes, but its card says 7/],
      [["check", folder], 2, /: it has no card\.json; /],
      [["show", join(folder, "none")], 2, /^model [^\n]*none: folder not found; give the folder /],
      [["quantize", "nosuch", "--data", "nosuch", "-o", folder], 2, none],
      [
        ["quantize", "fer2013-small", "--data", "nosuch.csv", "-o", folder],
        2,
        /^nosuch\.csv: no such file or folder; /,
      ],
      [
        ["quantize", "fer2013-small", "--data", "nosuch.csv", "-o", join(damaged, "card.json")],
        2,
        /^--out .*card\.json: it is a file; give a folder\n$/,
      ],
    ] as const) {
      const told = await pipeline("models", ...args);
      assert.equal(told.code, code, told.err);
      assert.match(told.err, says);
    }
  });
});
