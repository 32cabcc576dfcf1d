import { type FaceDataset, rowsOf } from "./dataset.js";
import { Random } from "./random.js";

/** The rows of one epoch, in order. Depends only on seed and epoch. */
export function epochOrder(
  dataset: FaceDataset,
  rows: Uint32Array,
  balanced: boolean,
  seed: number,
  epoch: number,
): Uint32Array {
  const random = new Random(seed, epoch, 1);
  if (!balanced) return random.shuffle(rows.slice());
  const byClass = dataset.labels
    .map((_, label) => random.shuffle(rows.filter((row) => dataset.label[row] === label)))
    .filter((own) => own.length > 0);
  // Takes one picture of each class in turn; small classes repeat.
  const order = rows.map((_, i) => {
    const own = byClass[i % byClass.length];
    return own?.[Math.floor(i / byClass.length) % own.length] ?? 0;
  });
  return random.shuffle(order);
}

/** Weights that make every class count equally in the loss; their mean over the pictures is 1. */
export function classWeights(dataset: FaceDataset, splits: readonly string[]): Float32Array {
  const counts = new Array<number>(dataset.labels.length).fill(0);
  const rows = rowsOf(dataset, splits);
  for (const row of rows) counts[dataset.label[row] ?? 0] = (counts[dataset.label[row] ?? 0] ?? 0) + 1;
  const present = counts.filter((count) => count > 0).length;
  return Float32Array.from(counts, (count) => (count > 0 ? rows.length / (present * count) : 0));
}
