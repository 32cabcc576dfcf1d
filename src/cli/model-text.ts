import type { CardMetrics, ModelCard } from "../model/card.js";
import { count } from "../text.js";

/** A model's card as text: one line per fact, without empty ones. */
export function modelText(card: ModelCard): string {
  const { input } = card;
  const lines = [
    `${card.name} ${card.version}`,
    ...(card.summary === "" ? [] : [card.summary]),
    "",
    `labels      ${card.labels.join(", ")}`,
    `input       ${input.width}x${input.height} grey, pixels scaled to ${short(input.offset)}..${short(255 * input.scale + input.offset)}`,
    ...cropLines(card),
    `size        ${count(card.parameters)} parameters, ${count(card.multiplyAdds)} multiply-adds per face`,
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
  "onnx-int8": "8-bit onnx, used by `classify` on x64 processors",
  tfjs: "tfjs",
  "tfjs-weights": "tfjs-weights",
};

const short = (value: number) => String(Math.round(value * 1000) / 1000);
const percent = (value: number, digits: number) => `${(value * 100).toFixed(digits)} %`;

/** How faces are cropped, if not by the detected box itself. */
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

/** What the card says about the training, which has no fixed schema. */
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

/** Floating-point figures say nothing about the file that is used by default. */
function unmeasuredLines({ files, metrics }: ModelCard): string[] {
  const isThere = files.some(({ kind }) => kind === "onnx-int8");
  const isMeasured = metrics.some(({ precision }) => precision === "int8");
  return isThere && !isMeasured
    ? ["unmeasured  the 8-bit file; measure it with `pipeline evaluate --precision int8 --card`"]
    : [];
}
