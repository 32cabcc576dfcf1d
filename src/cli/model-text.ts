import type { CardMetrics, ModelCard } from "../model/card.js";
import { count } from "../text.js";

/** A model's card for people: a line a fact, and none for what is nothing. */
export function modelText(card: ModelCard): string {
  const { input } = card;
  const lines = [
    `${card.name} ${card.version}`,
    card.summary,
    "",
    `labels      ${card.labels.join(", ")}`,
    `input       ${input.width}x${input.height} grey, pixels brought to ${short(input.offset)}..${short(255 * input.scale + input.offset)}`,
    ...cropLines(card),
    `size        ${count(card.parameters)} parameters, ${count(card.multiplyAdds)} multiply-adds a face`,
    ...card.files.map(
      ({ path, kind, bytes }) => `file        ${path} (${FILES[kind]}, ${count(bytes)} bytes)`,
    ),
    ...trainingLines(card),
    ...card.metrics.map(measuredLine),
    ...unmeasuredLines(card),
    `licence     ${card.licence}`,
    ...card.limits.map((limit) => `limit       ${limit}`),
  ];
  return `${lines.join("\n")}\n`;
}

const FILES: Readonly<Record<ModelCard["files"][number]["kind"], string>> = {
  onnx: "onnx",
  "onnx-int8": "onnx in 8 bits, which `classify` takes on x64 processors",
  tfjs: "tfjs",
  "tfjs-weights": "tfjs-weights",
};

const short = (value: number) => String(Math.round(value * 1000) / 1000);
const percent = (value: number, digits: number) => `${(value * 100).toFixed(digits)} %`;

/** How a face is cut out where that is not the detected box as it is. */
function cropLines({ face: { margin, shiftY } }: ModelCard): string[] {
  const parts = [
    ...(margin === 0
      ? []
      : [`${percent(Math.abs(margin), 0)} of the box ${margin > 0 ? "added" : "cut off"} on each side`]),
    ...(shiftY === 0
      ? []
      : [`moved ${shiftY > 0 ? "down" : "up"} by ${percent(Math.abs(shiftY), 0)} of its height`]),
  ];
  return parts.length > 0 ? [`face        ${parts.join(", ")}`] : [];
}

/** What the card tells of its training: it is a record of anything. */
function trainingLines({ training }: ModelCard): string[] {
  const recipe: object =
    typeof training.recipe === "object" && training.recipe !== null ? training.recipe : {};
  const told: Record<string, unknown> = { from: "from" in recipe ? recipe.from : undefined, ...training };
  const line = (name: string) => {
    const value = told[name];
    return typeof value === "string" || typeof value === "number" ? [`${name.padEnd(12)}${value}`] : [];
  };
  return ["from", "data", "epochs", "seed"].flatMap(line);
}

function measuredLine({ dataset, split, flip, precision, images, ...figures }: CardMetrics): string {
  const how = `${flip ? " with mirror image" : ""}${precision === "int8" ? " in 8 bits" : ""}`;
  const { accuracy, macroF1, ece } = figures;
  return `measured    ${dataset} ${split}${how}: accuracy ${percent(accuracy, 2)}, macro F1 ${percent(macroF1, 2)}, calibration error ${percent(ece, 1)}, ${count(images)} pictures`;
}

/** Figures in floats say nothing of the file that is taken by default. */
function unmeasuredLines({ files, metrics }: ModelCard): string[] {
  const isThere = files.some(({ kind }) => kind === "onnx-int8");
  const isMeasured = metrics.some(({ precision }) => precision === "int8");
  return isThere && !isMeasured
    ? ["unmeasured  the file in 8 bits; `pipeline evaluate` with `--precision int8 --card` does it"]
    : [];
}
