import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { columnsOf } from "#src/columns.js";
import { loadModel } from "#src/model/load.js";
import { writeFaces } from "../support/faces.js";
import { pipeline } from "../support/pipeline.js";
import { writeTinyModel } from "../support/tiny-model.js";

describe("pipeline evaluate", function () {
  this.timeout(120_000);
  let folder: string;
  const at = (name: string) => join(folder, name);
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-evaluate-"));
    const pixels = (row: number) => Array.from({ length: 2304 }, (_, i) => (i * (row + 3)) % 256).join(" ");
    const rows = Array.from({ length: 14 }, (_, i) => `${i % 7},${pixels(i)},PublicTest`);
    await writeFile(at("faces.csv"), ["emotion,pixels,Usage", ...rows].join("\n"));
    await writeFile(at("damaged.csv"), ["emotion,pixels,Usage", ...rows, "1,,PublicTest"].join("\n"));
    await writeFile(at("lobby.yaml"), "version: 1\nname: lobby\n");
    await writeFile(at("history.jsonl"), '{"epoch":1,"loss":2}\n{"epoch":2,"loss":1}\n');
  });
  after(() => rm(folder, { recursive: true }));

  const evaluate = (model: string, data: string, ...args: string[]) =>
    pipeline("evaluate", model, "--data", at(data), ...args);

  it("writes figures and a page, creating missing folders", async () => {
    const [json, html] = [at("new/figures.json"), at("new/pages/report.html")];
    const written = ["--json", json, "--html", html, "--history", at("history.jsonl")];
    const { code, out, err } = await evaluate("fer2013-small", "faces.csv", ...written);
    assert.equal(code, 0, err);
    assert.match(out, /^14 pictures of PublicTest, run on onnx cpu\n/);
    assert.equal((JSON.parse(await readFile(json, "utf8")) as { images: number }).images, 14);
    assert.match(await readFile(html, "utf8"), /<polyline/);
  });

  it("measures on the faces held out from training, by the recipe in the model's card", async () => {
    await writeFaces(at("classes"), ["left", "right"], 10);
    const model = await writeTinyModel(at("tiny"), undefined, (card) => {
      card.training = { recipe: { data: { path: "classes", validation: 0.4 } } };
    });
    const own = await evaluate(model, "classes/");
    assert.match(own.out, /^8 pictures of validation, /, own.err);
    assert.match(own.err, /\nclasses: split by the recipe in the model's card\n/);
    await rename(at("classes"), at("others"));
    const other = await evaluate(model, "others");
    assert.match(other.out, /^4 pictures of validation, /, other.err);
    assert.match(other.err, /\nothers: split by the defaults; the model's card records no training on it\n/);
  });

  it("aligns the figures of classes with long names", async () => {
    const names = ["sangat bahagia sekali", "悲しい"];
    await writeFaces(at("long"), names, 5);
    const model = await writeTinyModel(at("long-names"), undefined, (card) => {
      card.labels = [...names, "both"];
    });
    const { out, err } = await evaluate(model, "long");
    const ends = out.split("\n").slice(9, 13).map(columnsOf);
    assert.deepEqual(ends, Array(4).fill(ends[0]), out + err);
  });

  it("refuses to measure without pictures, and leaves the card unchanged", async () => {
    await writeFaces(at("few"), ["left", "right"], 1);
    const model = await writeTinyModel(at("tiny"));
    const { code, out, err } = await evaluate(model, "few", "--card", "-q");
    assert.equal(code, 1);
    assert.equal(out, "");
    assert.match(
      err,
      /few: no pictures in validation; choose another split with --split \(training, validation\), [^\n]+\n$/,
    );
    assert.deepEqual((await loadModel(model, ".")).card.metrics, []);
  });

  it("accepts a split's name in upper or lower case", async () => {
    const { out, err } = await evaluate("fer2013-small", "faces.csv", "--split", "public_test");
    assert.match(out, /^14 pictures of PublicTest, /, err);
  });

  for (const [what, args, says] of [
    [
      "a history that is not there",
      ["--history", "nosuch"],
      /^--history nosuch: no such file; give the history\.jsonl /,
    ],
    [
      "a history that is a folder",
      ["--history", "."],
      /^--history .*: it is a folder; give the history\.jsonl /,
    ],
    [
      "a history that is none",
      ["--history", "lobby.yaml"],
      /^--history .*lobby\.yaml: line 1 is not an epoch of a training run; give the history\.jsonl /,
    ],
    ["a folder as page", ["--html", "."], /^--html .*: it is a folder; give a file name$/],
    ["a folder as figures", ["--json", "."], /^--json .*: it is a folder; give a file name$/],
    [
      "a page that cannot be written",
      ["--html", "faces.csv/report.html"],
      /^--html .*report\.html cannot be written: a part of its path is a file; choose another$/,
    ],
    [
      "figures that cannot be written",
      ["--json", "faces.csv/a/b.json"],
      /^--json .* cannot be written: .*; choose another$/,
    ],
    [
      "no threads",
      ["--threads", "x"],
      /^--threads x: must be a whole number from 1 to \d+, the number of cores$/,
    ],
    [
      "more threads than cores",
      ["--threads", String(availableParallelism() + 1)],
      /^--threads \d+: must be a whole number from 1 to \d+, /,
    ],
  ] as [string, [string, string], RegExp][])
    it(`rejects ${what} in one line with exit code 2, before the data is read`, async () => {
      const [flag, value] = args;
      const file = value.includes(".") ? at(value) : value;
      const { code, out, err } = await evaluate("fer2013-small", "faces.csv", flag, file);
      assert.equal(code, 2, err);
      assert.match(err.trimEnd(), says);
      assert.match(err, /^[^\n]+\n$/);
      assert.equal(out, "");
    });

  it("exits with 2 if the model or data is missing, and leaves nothing behind", async () => {
    const model = await evaluate("nosuch", "faces.csv");
    assert.equal(model.code, 2);
    assert.match(model.err, /^model nosuch: not found; use fer2013-small, fer2013-study, or [^\n]*\n$/);
    const data = await evaluate("fer2013-small", "nosuch.csv", "--html", at("none/report.html"));
    assert.equal(data.code, 2);
    assert.match(data.err, /nosuch\.csv: no such file or folder; give a CSV file or a folder of classes\n$/);
    assert(!existsSync(at("none")));
  });

  it("exits with 1 if the data is damaged, and suggests no option it does not have", async () => {
    const { code, err } = await evaluate("fer2013-small", "damaged.csv");
    assert.equal(code, 1);
    assert.match(err, /1 of 15 pictures cannot be used .*; repair or remove them\n$/);
  });
});
