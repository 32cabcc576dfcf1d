import sharp from "sharp";
import { escaped, plural, scrollable } from "../../text.js";
import { FER_LABELS } from "../card.js";
import type { FaceDataset } from "../data/index.js";
import type { Precision } from "../engine/index.js";
import { type Curve, curves } from "./curves.js";
import type { Evaluation } from "./evaluate.js";
import { page, percent } from "./page.js";
import { STUDY_CONFUSION, STUDY_FIGURES } from "./study.js";

/** What a report is about. */
export interface Subject {
  readonly model: string;
  readonly dataset: string;
  readonly split: string;
  readonly flip: boolean;
  readonly precision: Precision;
  /** What actually ran the model. */
  readonly provider: string;
}

const WORST = 40;

/** A self-contained HTML page: figures, confusion matrix, training curves, the most confident mistakes. */
export async function report(
  subject: Subject,
  evaluation: Evaluation,
  dataset: FaceDataset,
  history: readonly Curve[],
): Promise<string> {
  const title = `${subject.model} on ${subject.dataset}, ${subject.split}`;
  const parts = [
    `<h1>${escaped(title)}</h1><p class="note">${plural(evaluation.images, "picture")}${subject.flip ? ", each averaged with its mirror image" : ""}; run by ${escaped(subject.provider)}.</p>`,
    headline(evaluation),
    `<section><h2>Classes</h2>${classTable(evaluation)}</section>`,
    `<section><h2>Confusion matrix, % of each true class</h2><div class="pair">${matrices(evaluation)}</div></section>`,
    history.length > 0 ? `<section><h2>Training</h2>${curves(history)}</section>` : "",
    `<section><h2>Most confident mistakes</h2>${await mistakes(evaluation, dataset)}</section>`,
  ];
  return page(title, parts);
}

function headline(evaluation: Evaluation): string {
  const figures: [string, string, string][] = [
    ["accuracy", percent(evaluation.accuracy), ""],
    ["top-2", percent(evaluation.top2), "the true class is among the two most probable"],
    ["macro precision", percent(evaluation.macroPrecision), "mean over the classes in the data"],
    ["macro recall", percent(evaluation.macroRecall), "mean over the classes in the data"],
    ["macro F1", percent(evaluation.macroF1), "mean over the classes in the data"],
    ["calibration error", percent(evaluation.ece), "15 bins; 0 is best"],
    ["(TP + TN) / all", percent(evaluation.oneVsRest), "the study's formula; it flatters"],
  ];
  const cells = figures.map(
    ([name, value, note]) => `<div title="${note}"><b>${value}</b><span>${name}</span></div>`,
  );
  return `<div class="figures">${cells.join("")}</div>`;
}

function classTable({ classes }: Evaluation): string {
  const rows = classes.map(
    ({ label, count, precision, recall, f1, oneVsRest }) =>
      `<tr><th scope="row">${escaped(label)}</th><td>${count}</td>${[precision, recall, f1, oneVsRest].map((value) => `<td>${percent(value)}</td>`).join("")}</tr>`,
  );
  const head = ["class", "pictures", "precision", "recall", "F1", "(TP + TN) / all"];
  const table = `<table><thead><tr>${head.map((name) => `<th scope="col">${name}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  return `${scrollable(table, "Classes")}<p class="note">(TP + TN) / all is the study's accuracy of a class: the share of pictures rightly assigned or rightly not assigned to it. With several classes it is high for any model, so compare models by accuracy and F1.</p>`;
}

function matrices({ labels, confusion }: Evaluation): string {
  const ours = confusion.map((row) => {
    const all = row.reduce((a, b) => a + b, 0);
    return row.map((count) => (all === 0 ? 0 : (100 * count) / all));
  });
  const own = matrix("this model", labels, ours);
  if (labels.join() !== FER_LABELS.join()) return own;
  const { accuracy, precision, recall } = STUDY_FIGURES.conclusion;
  const note = `the study (its conclusion states accuracy ${percent(accuracy, 0)}, precision ${percent(precision, 0)}, recall ${percent(recall, 0)})`;
  return own + matrix(note, labels, STUDY_CONFUSION);
}

function matrix(
  caption: string,
  labels: readonly string[],
  percents: readonly (readonly number[])[],
): string {
  const head = labels
    .map((label) => `<th scope="col" class="down"><span>${escaped(label)}</span></th>`)
    .join("");
  const rows = percents.map((row, truth) => {
    const cells = row.map((value, c) => {
      const shade = Math.round(Math.sqrt(value / 100) * 85);
      return `<td class="${c === truth ? "right" : "wrong"}" style="--shade:${shade}%">${Math.round(value)}</td>`;
    });
    return `<tr><th scope="row">${escaped(labels[truth] ?? "")}</th>${cells.join("")}</tr>`;
  });
  const table = `<table class="matrix"><caption>${escaped(caption)}</caption><thead><tr><th scope="col">true \\ predicted</th>${head}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  return scrollable(table, `Confusion matrix: ${caption}`);
}

async function mistakes(evaluation: Evaluation, { images, width, height }: FaceDataset): Promise<string> {
  const figures = evaluation.mistakes
    .slice(0, WORST)
    .map(async ({ row, id, truth, predicted, confidence }) => {
      const pixels = images.slice(row * width * height, (row + 1) * width * height);
      const png = await sharp(pixels, { raw: { width, height, channels: 1 } })
        .png()
        .toBuffer();
      return `<figure title="${escaped(id)}"><img alt="" src="data:image/png;base64,${png.toString("base64")}"><figcaption><b>${escaped(truth)}</b> taken for <b>${escaped(predicted)}</b>, ${percent(confidence, 0).replace(" ", "&nbsp;")}</figcaption></figure>`;
    });
  return `<p class="note">Point at a picture to see its name.</p><div class="faces">${(await Promise.all(figures)).join("")}</div>`;
}
