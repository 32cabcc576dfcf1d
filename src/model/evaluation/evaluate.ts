import { DataError } from "../../errors.js";
import { argmax } from "../argmax.js";
import type { ModelCard } from "../card.js";
import { Cropper } from "../crop/index.js";
import type { FaceDataset } from "../data/index.js";
import type { Engine } from "../engine/index.js";
import type { Model } from "../load.js";
import { type Figures, figuresOf } from "./metrics.js";

const BATCH = 64;

/** A picture that the model got wrong. */
export interface Mistake {
  /** Row of the data set. */
  readonly row: number;
  readonly id: string;
  readonly truth: string;
  readonly predicted: string;
  /** Probability of the wrong class. */
  readonly confidence: number;
}

export interface Evaluation extends Figures {
  readonly labels: readonly string[];
  /** Most confident mistakes first. */
  readonly mistakes: readonly Mistake[];
}

/**
 * Runs a model over the given rows of a data set; pictures of another size are resized like faces in a pipeline.
 *
 * @param flip averages over each picture and its mirror image
 * @param onPicture called after each batch with the number of pictures done
 * @throws DataError if the data set has a class that the model does not have
 */
export async function evaluate(
  model: Model,
  engine: Engine,
  dataset: FaceDataset,
  rows: Uint32Array,
  flip: boolean,
  onPicture?: (done: number) => void,
): Promise<Evaluation> {
  const { labels } = model.card;
  const truth = truthOf(dataset, rows, model);
  const probabilities = new Float32Array(rows.length * labels.length);
  for (let from = 0; from < rows.length; from += BATCH) {
    const batch = rows.subarray(from, from + BATCH);
    probabilities.set(await probabilitiesOf(model, engine, dataset, batch, flip), from * labels.length);
    onPicture?.(from + batch.length);
  }
  const mistakes = [...truth.entries()].flatMap(([i, label]) => {
    const row = probabilities.subarray(i * labels.length, (i + 1) * labels.length);
    const best = argmax(row);
    if (best === label) return [];
    return [
      {
        row: rows[i] ?? 0,
        id: dataset.ids[rows[i] ?? 0] ?? "",
        truth: labels[label] ?? "",
        predicted: labels[best] ?? "",
        confidence: row[best] ?? 0,
      },
    ];
  });
  mistakes.sort((a, b) => b.confidence - a.confidence);
  return { labels, ...figuresOf(probabilities, truth, labels), mistakes };
}

/** True labels of the rows, as indices into the model's labels. */
function truthOf(dataset: FaceDataset, rows: Uint32Array, { card }: Model): Uint16Array {
  const index = dataset.labels.map((label) => card.labels.indexOf(label));
  return Uint16Array.from(rows, (row) => {
    const label = dataset.label[row] ?? 0;
    const own = index[label] ?? -1;
    if (own < 0)
      throw new DataError(
        "DATA_CLASSES",
        `${dataset.name}: model ${card.name} has no class ${dataset.labels[label]}; it has ${card.labels.join(", ")}`,
      );
    return own;
  });
}

/** Pictures as a model's input, `[rows, 1, height, width]`. */
export function inputsOf(input: ModelCard["input"], dataset: FaceDataset, rows: Uint32Array): Float32Array {
  const size = input.width * input.height;
  const cropper = new Cropper(input);
  const { width, height, images } = dataset;
  const crops = new Float32Array(rows.length * size);
  rows.forEach((row, i) => {
    const luma = images.subarray(row * width * height, (row + 1) * width * height);
    cropper.crop({ luma, width, height }, { x: 0, y: 0, width, height }, crops, i * size);
  });
  return crops;
}

/** `[rows, classes]`, in the order of the model's classes; `flip`: the mean over each picture and its mirror image. */
export async function probabilitiesOf(
  { card }: Model,
  engine: Engine,
  dataset: FaceDataset,
  rows: Uint32Array,
  flip: boolean,
): Promise<Float32Array> {
  const crops = inputsOf(card.input, dataset, rows);
  const straight = await engine.run(crops, rows.length);
  if (!flip) return straight;
  for (let line = 0; line < crops.length; line += card.input.width)
    crops.subarray(line, line + card.input.width).reverse();
  const mirrored = await engine.run(crops, rows.length);
  return straight.map((value, i) => (value + (mirrored[i] ?? 0)) / 2);
}
