import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Default } from "typebox/value";
import { type FaceDataset, rowsOf } from "#src/model/data/index.js";
import { Recipe, type TrainOptions, train } from "#src/model/training/index.js";
import { withTeacher } from "#src/model/training/teacher.js";
import { probabilitiesOf } from "#src/model/training/validate.js";
import { brightness } from "../../support/brightness.js";

const TRAINING = ["Training"];

/** The same pictures with the classes reversed. */
function turned(): FaceDataset {
  const dataset = brightness();
  return {
    ...dataset,
    labels: dataset.labels.toReversed(),
    label: dataset.label.map((own) => 1 - own),
  };
}

function mirrored(dataset: FaceDataset): FaceDataset {
  const { width } = dataset;
  const images = new Uint8Array(new SharedArrayBuffer(dataset.images.length));
  for (let line = 0; line < images.length; line += width)
    images.set(dataset.images.slice(line, line + width).reverse(), line);
  return { ...dataset, images };
}

describe("a teacher", function () {
  this.timeout(60_000);
  let folder: string;
  let model: string;
  const run = (name: string, changes: Record<string, unknown>, options: Partial<TrainOptions> = {}) => {
    const fixed = { name: "brightness", data: { path: "unused" }, width: 0.25, batch: 8, epochs: 2 };
    const recipe = { ...fixed, ...changes };
    return train(Default(Recipe, recipe) as Recipe, brightness(), {
      out: join(folder, name),
      threads: 1,
      ...options,
    });
  };
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-teacher-"));
    model = (await run("teacher", {})).model ?? "";
  });
  after(() => rm(folder, { recursive: true }));

  it("adds its share of its predictions for a picture and its mirror image, class by class, to training only", async () => {
    const dataset = turned();
    const { soft } = await withTeacher(dataset, { model, share: 0.7 }, TRAINING, 1);
    const rows = Uint32Array.from(dataset.label, (_, i) => i);
    const graph = await readFile(join(model, "model.onnx"));
    const straight = await probabilitiesOf(graph, dataset, rows, 1);
    const mirror = await probabilitiesOf(graph, mirrored(dataset), rows, 1);
    const taught = new Set(rowsOf(dataset, TRAINING));
    for (const row of rows)
      for (const c of [0, 1]) {
        const label = dataset.label[row] === c ? 1 : 0;
        const at = row * 2 + (1 - c);
        const said = ((straight[at] ?? 0) + (mirror[at] ?? 0)) / 2;
        const wanted = taught.has(row) ? 0.3 * label + 0.7 * said : label;
        assert.ok(Math.abs((soft?.[row * 2 + c] ?? 0) - wanted) < 1e-5, `picture ${row}, class ${c}`);
      }
  });

  it("mixes with existing votes, and leaves the originals unchanged", async () => {
    const dataset = { ...brightness(), soft: new Float32Array(80).fill(0.5) };
    const { soft } = await withTeacher(dataset, { model, share: 0 }, TRAINING, 1);
    assert.deepEqual(soft, dataset.soft);
    await withTeacher(dataset, { model, share: 1 }, TRAINING, 1);
    assert.ok(dataset.soft.every((value) => value === 0.5));
  });

  it("changes what a run learns, reports progress, and is recognised on resuming", async () => {
    const teacher = { teacher: { model, share: 1 } };
    const told: string[] = [];
    const whole = await run("whole", teacher, { onTaught: (done, of) => told.push(`${done} of ${of}`) });
    assert.deepEqual(told, ["32 of 32"]);
    await run("half", teacher, { until: 1 });
    const half = await run("half", teacher, { resume: true });
    const bytes = (result: { model?: string }) => readFile(join(result.model ?? "", "model.onnx"));
    assert.deepEqual(await bytes(half), await bytes(whole));
    assert.notDeepEqual(await bytes(whole), await readFile(join(model, "model.onnx")));
    await assert.rejects(run("half", {}, { resume: true }), /differs in teacher/);
    const onTaught = () => assert.fail("it was asked");
    const again = await run("half", teacher, { resume: true, onTaught });
    assert.equal(again.written, false, "finished, so there is nothing to teach");
    const other = { ...teacher, batch: 16 };
    await assert.rejects(run("half", other, { resume: true, onTaught }), /differs in batch/);
    const card = await readFile(join(whole.model ?? "", "card.json"), "utf8");
    assert.ok(!card.includes(folder), "no folder in the card");
  });

  it("counts as different if its weights are, even with the same folder name", async () => {
    const other = (await run("other-teacher", { seed: 2 })).model ?? "";
    await run("same", { teacher: { model } }, { until: 1 });
    await assert.rejects(
      run("same", { teacher: { model: other } }, { resume: true }),
      /differs in weights of teacher/,
    );
  });

  it("stops when the run is stopped, which then writes nothing", async () => {
    const stop = new AbortController();
    const onTaught = () => stop.abort();
    const result = await run("stopped", { teacher: { model } }, { signal: stop.signal, onTaught });
    assert.deepEqual(result, { finished: false, written: false, epochs: 0 });
    assert.ok(!existsSync(join(folder, "stopped")));
    const asked = () => assert.fail("it was asked");
    await withTeacher(brightness(), { model, share: 1 }, TRAINING, 1, asked, stop.signal);
  });

  it("must have the classes of the data", async () => {
    await assert.rejects(run("other", { teacher: { model: "fer2013-small" } }), {
      name: "DataError",
      message:
        "teacher fer2013-small has the classes angry, disgust, fear, happy, sad, surprise, neutral, but brightness has dark, light; use a teacher with the same classes",
    });
  });
});
