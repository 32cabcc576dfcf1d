import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { FER_LABELS } from "#src/model/card.js";
import type { FaceDataset } from "#src/model/data/index.js";
import { readHistory, report } from "#src/model/evaluation/index.js";
import { figuresOf } from "#src/model/evaluation/metrics.js";
import { sweepReport } from "#src/model/sweep/report.js";
import { barriersIn } from "../../support/axe.js";
import { Chrome } from "../../support/chromium.js";

const HOSTILE = `<img src=x onerror="alert(1)">&`;

function dataset(): FaceDataset {
  return {
    name: HOSTILE,
    width: 4,
    height: 4,
    labels: [HOSTILE, "happy"],
    splits: ["Training", "test"],
    images: Uint8Array.from({ length: 32 }, (_, i) => i * 8),
    label: Uint8Array.of(0, 1),
    split: Uint8Array.of(1, 1),
    ids: [HOSTILE, "row 2"],
  } as unknown as FaceDataset;
}

async function page(history = "", labels: readonly string[] = [HOSTILE, "happy"]): Promise<string> {
  const data = { ...dataset(), labels };
  const first = (p: number) => labels.map((_, i) => (i === 0 ? p : (1 - p) / (labels.length - 1)));
  const figures = figuresOf(Float32Array.from([...first(0.1), ...first(0.1)]), data.label, data.labels);
  const mistakes = [{ row: 0, id: HOSTILE, truth: HOSTILE, predicted: "happy", confidence: 0.9 }];
  const subject = {
    model: HOSTILE,
    dataset: HOSTILE,
    split: HOSTILE,
    flip: true,
    precision: "float32",
    provider: "onnx cpu",
  } as const;
  return report(
    subject,
    { ...figures, labels: data.labels, mistakes },
    data,
    readHistory(history, "history.jsonl"),
  );
}

describe("an evaluation's report", () => {
  it("is one self-contained page, with no markup from names", async () => {
    const html = await page();
    assert.doesNotMatch(html, /<img src=x|<script|<link|https?:\/\//);
    assert.match(html, /50\.0 %/);
    assert.equal([...html.matchAll(/data:image\/png;base64,/g)].length, 1);
    assert.match(html, /taken for <b>happy<\/b>, 90&nbsp;%/);
  });

  it("draws the curves of a training history, and none if there is none", async () => {
    const lines = [1, 2, 3].map((epoch) =>
      JSON.stringify({ epoch, loss: 2 / epoch, validationLoss: 2.1 / epoch, accuracy: epoch / 4, rate: 0.1 }),
    );
    const html = await page(`${lines.join("\n")}\n`);
    const drawn = [...html.matchAll(/<polyline points="([^"]*)"/g)].map(
      ([, points = ""]) => points.split(" ").length,
    );
    assert.deepEqual(drawn, [3, 3, 3, 3]);
    assert(html.includes('aria-label="loss over 3 epochs; last values: training 0.667, validation 0.7"'));
    assert.doesNotMatch(html, /NaN|undefined/);
    assert.doesNotMatch(await page(), /<polyline/);
  });

  it("accepts a history truncated by a kill, but no other file", () => {
    const [curve] = readHistory('{"epoch":1,"loss":2}\n{"epoch":2,"lo', "cut");
    assert.deepEqual(curve, { name: "loss", points: [{ epoch: 1, value: 2 }] });
    for (const text of ["version: 1", "null", "[1]", '{"loss":1}\n', '{"epoch":1}\n{"epo\n'])
      assert.throws(() => readHistory(text, "lobby.yaml"), {
        name: "ConfigError",
        message: /^lobby\.yaml: line [12] is not an epoch of a training run; give /,
      });
  });

  it("does not assume the study's number of classes", async () => {
    assert.doesNotMatch(await page(), /seven/);
  });

  it("shows the study's matrix only next to a model of the seven expressions", async () => {
    assert.match(await page("", FER_LABELS), /the study \(its conclusion states accuracy 67 %/);
    assert.doesNotMatch(await page(), /the study \(its conclusion states accuracy/);
  });
});

describe("reports of an evaluation and of a sweep in Chromium", function () {
  this.timeout(60_000);
  const chrome = new Chrome();
  before(async function () {
    await chrome.start(this);
  });
  after(() => chrome.stop());

  const kept = {
    epoch: 1,
    rate: 1,
    loss: 1,
    accuracy: 0.5,
    validationLoss: 1,
    validationAccuracy: 0.5,
    seconds: 1,
  };
  const batches = [16, 32, 64, 128];
  const sweep = () =>
    sweepReport({
      format: 1,
      recipe: {},
      finished: true,
      sources: {},
      best: "1",
      definition: {
        name: "batches",
        recipe: "x.yaml",
        method: "one-factor",
        judge: "accuracy",
        steps: [{ vary: "batch", values: batches }],
      },
      runs: batches.map((batch, i) => ({
        id: String(i),
        step: 0,
        settings: { batch },
        state: "done",
        history: [kept],
        kept,
      })),
    });

  it("have no barrier that axe-core knows of and fit a phone, in either theme", async () => {
    for (const [name, html] of [
      ["evaluation", await page("", FER_LABELS)],
      ["sweep", sweep()],
    ] as const) {
      const path = join(chrome.folder, `${name}.html`);
      writeFileSync(path, html);
      for (const colorScheme of ["light", "dark"] as const) {
        const { page, complaints } = await chrome.open(pathToFileURL(path).href, {
          viewport: { width: 360, height: 740 },
          colorScheme,
        });
        assert.deepEqual(await barriersIn(page), [], `${name}, ${colorScheme}`);
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert(wide <= 0, `${name}: ${wide} px wider than the phone`);
        assert.deepEqual(complaints, []);
      }
    }
  });
});
