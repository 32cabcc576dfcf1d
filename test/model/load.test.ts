import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { ConfigError, ModelError } from "#src/errors.js";
import { loadModel, modelFile } from "#src/model/load.js";
import { writeTinyModel } from "../support/tiny-model.js";

describe("a model folder", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-model-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function refused(pattern: RegExp, kind = ModelError): Promise<void> {
    const read = async () => modelFile(await loadModel(folder, "."), "onnx");
    await assert.rejects(read, (error) => {
      assert.ok(error instanceof kind);
      assert.match(error.message, pattern);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  }

  it("is found by a path relative to the file that names it", async () => {
    await writeTinyModel(folder);
    const model = await loadModel(`./${basename(folder)}`, dirname(folder));
    assert.equal(model.card.name, "tiny");
    assert.ok((await modelFile(model, "onnx")).length > 64);
  });

  it("that does not exist is refused, naming those that do", async () => {
    await assert.rejects(loadModel("fer2013-smal", "."), {
      name: "ConfigError",
      message: /"?fer2013-smal"?.*fer2013-small/,
    });
    await refused(/no card\.json/, ConfigError);
  });

  it("with an invalid card is refused", async () => {
    await writeFile(join(folder, "card.json"), "{");
    await refused(/is not JSON/);
    await writeFile(join(folder, "card.json"), "[]");
    await refused(/is not a model card/);
    await writeFile(join(folder, "card.json"), " ".repeat(2 ** 20 + 1));
    await refused(/too large for a model card/);
    await rm(join(folder, "card.json"));
    await mkdir(join(folder, "card.json"));
    await refused(/card\.json is not a file/);
  });

  for (const [what, change] of [
    ["a size that is too large", { input: { width: 1e6, height: 8, channels: 1, scale: 1, offset: 0 } }],
    ["a single class", { labels: ["only"] }],
    ["a class twice, which events name once", { labels: ["calm", "cross", "calm"] }],
    ["a class without a name", { labels: ["calm", ""] }],
    ["a crop far outside the picture", { face: { margin: 0, shiftY: 2 ** 53 } }],
    ["an unknown field", { surprise: 1 }],
    ["another format", { format: 2 }],
  ] as const)
    it(`whose card has ${what} is refused`, async () => {
      await writeTinyModel(folder, undefined, (card) => Object.assign(card, change));
      await refused(/is not a model card/);
    });

  for (const [what, change, pattern] of [
    ["lies outside the folder", { path: "../model.onnx" }, /is not a model card at \/files\/0\/path/],
    ["is missing", { path: "other.onnx" }, /other\.onnx is missing/],
    ["is a folder", { path: "." }, /is not a file/],
    ["has another size", { bytes: 7 }, /bytes, but its card says 7/],
    ["has another hash", { sha256: "0".repeat(64) }, /its hash differs/],
  ] as const)
    it(`whose file ${what} is refused`, async () => {
      await writeTinyModel(folder, undefined, (card) => {
        card.files = (card.files as object[]).map((file) => ({ ...file, ...change }));
      });
      await refused(pattern);
    });
});
