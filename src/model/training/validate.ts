import { InferenceSession, Tensor } from "onnxruntime-node";
import { type FaceDataset, rowsOf } from "../data/index.js";
import { NORMALISATION } from "./recipe.js";

export interface Validation {
  /** Mean cross-entropy against the labels. */
  readonly loss: number;
  /** 0 to 1. */
  readonly accuracy: number;
  readonly pictures: number;
}

const BATCH = 64;

/** Judges a network, given as its inference graph, on the named splits. */
export async function validate(
  model: Uint8Array,
  dataset: FaceDataset,
  splits: readonly string[],
  threads: number,
): Promise<Validation> {
  const rows = rowsOf(dataset, splits);
  const session = await InferenceSession.create(model, { intraOpNumThreads: threads });
  let loss = 0;
  let correct = 0;
  try {
    for (let start = 0; start < rows.length; start += BATCH) {
      const some = rows.subarray(start, start + BATCH);
      const probabilities = await predict(session, dataset, some);
      const classes = dataset.labels.length;
      for (const [i, row] of some.entries()) {
        const own = probabilities.subarray(i * classes, (i + 1) * classes);
        const label = dataset.label[row] ?? 0;
        loss -= Math.log(Math.max(1e-12, own[label] ?? 0));
        if (largest(own) === label) correct += 1;
      }
    }
  } finally {
    await session.release();
  }
  return { loss: loss / rows.length, accuracy: correct / rows.length, pictures: rows.length };
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

/** Index of the largest value; the first of equals. */
export function largest(values: Float32Array): number {
  return values.reduce((best, value, i) => (value > (values[best] ?? 0) ? i : best), 0);
}
