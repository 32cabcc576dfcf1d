import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelCard } from "#src/model/card.js";
import { writeTinyModel } from "../support/tiny-model.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

function pipeline(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], (error, out, err) =>
      resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });
}

describe("pipeline models", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-models-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it("exports a model for TensorFlow.js: a folder that is a model itself", async () => {
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
    assert.match(checked.out, /fine, 2 files, runs on tfjs /);
  });

  it("exports a checked copy of the ONNX file", async () => {
    const model = await writeTinyModel(join(folder, "tiny"));
    const out = join(folder, "out");
    assert.equal((await pipeline("models", "export", model, "--format", "onnx", "-o", out)).code, 0);
    assert.deepEqual((await readdir(out)).sort(), ["card.json", "model.onnx"]);
    assert.deepEqual(await readFile(join(out, "model.onnx")), await readFile(join(model, "model.onnx")));
    assert.match((await pipeline("models", "check", out)).out, /fine, 1 file, runs on onnx cpu/);
  });

  it("refuses another format, and a model that is not what its card says, in one line", async () => {
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
});
