import { argmax } from "../argmax.js";
import { type FaceDataset, rowsOf } from "../data/index.js";
import { InferenceSession, Tensor } from "../onnx/runtime.js";
import { NORMALISATION } from "./recipe.js";

export interface Validation {
  /** Mean cross-entropy against the labels. */
  readonly loss: number;
  /** 0 to 1. */
  readonly accuracy: number;
  readonly pictures: number;
}

const BATCH = 64;

/** Evaluates a network, given as its inference graph, on the named splits. */
export async function validate(
  model: Uint8Array,
  dataset: FaceDataset,
  splits: readonly string[],
  threads: number,
): Promise<Validation> {
  const rows = rowsOf(dataset, splits);
  const probabilities = await probabilitiesOf(model, dataset, rows, threads);
  const classes = dataset.labels.length;
  let loss = 0;
  let correct = 0;
  for (const [i, row] of rows.entries()) {
    const own = probabilities.subarray(i * classes, (i + 1) * classes);
    const label = dataset.label[row] ?? 0;
    loss -= Math.log(Math.max(1e-12, own[label] ?? 0));
    if (argmax(own) === label) correct += 1;
  }
  return { loss: loss / rows.length, accuracy: correct / rows.length, pictures: rows.length };
}

/**
 * Probabilities from a network, given as its inference graph, for these pictures without augmentation: `[rows,
 * classes]`.
 */
export async function probabilitiesOf(
  model: Uint8Array,
  dataset: FaceDataset,
  rows: Uint32Array,
  threads: number,
): Promise<Float32Array> {
  const classes = dataset.labels.length;
  const probabilities = new Float32Array(rows.length * classes);
  const session = await InferenceSession.create(model, { intraOpNumThreads: threads });
  try {
    for (let start = 0; start < rows.length; start += BATCH)
      probabilities.set(
        await predict(session, dataset, rows.subarray(start, start + BATCH)),
        start * classes,
      );
  } finally {
    await session.release();
  }
  return probabilities;
}

async function predict(
  session: InferenceSession,
  { images, width, height }: FaceDataset,
  rows: Uint32Array,
): Promise<Float32Array> {
  const size = width * height;
  const x = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries())
    for (let p = 0; p < size; p++)
      x[i * size + p] = (images[row * size + p] ?? 0) * NORMALISATION.scale + NORMALISATION.offset;
  const { probabilities } = await session.run({
    input: new Tensor("float32", x, [rows.length, 1, height, width]),
  });
  return Float32Array.from((probabilities?.data ?? []) as Float32Array);
}
