import type { CardMetrics } from "../card.js";
import { writeCard } from "../folder.js";
import { type Model, reloaded } from "../load.js";
import type { Evaluation } from "./evaluate.js";
import type { Subject } from "./report.js";

/** Four digits are more precise than the number of pictures allows. */
const round = (value: number) => Math.round(value * 1e4) / 1e4;

export function cardMetrics(
  { dataset, split, flip, precision }: Subject,
  evaluation: Evaluation,
): CardMetrics {
  return {
    dataset,
    split,
    images: evaluation.images,
    flip,
    ...(precision === "int8" && { precision }),
    accuracy: round(evaluation.accuracy),
    macroF1: round(evaluation.macroF1),
    ece: round(evaluation.ece),
    top2: round(evaluation.top2),
    classes: evaluation.classes.map(({ label, count, precision, recall, f1 }) => ({
      label,
      count,
      precision: round(precision),
      recall: round(recall),
      f1: round(f1),
    })),
    confusion: evaluation.confusion.map((row) => [...row]),
  };
}

/**
 * Adds figures to a model's card, replacing earlier ones of the same data, split, flip and precision. Throws
 * `ModelError` if the model was replaced meanwhile.
 */
export async function writeMetrics(measured: Model, metrics: CardMetrics): Promise<void> {
  const kind = metrics.precision === "int8" ? "onnx-int8" : "onnx";
  const { folder, card } = await reloaded(measured, kind, "while it was measured; evaluate it again");
  const others = card.metrics.filter(
    ({ dataset, split, flip, precision }) =>
      dataset !== metrics.dataset ||
      split !== metrics.split ||
      flip !== metrics.flip ||
      precision !== metrics.precision,
  );
  await writeCard(folder, { ...card, metrics: [...others, metrics] });
}
