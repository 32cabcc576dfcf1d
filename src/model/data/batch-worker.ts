import { parentPort, workerData } from "node:worker_threads";
import { Augmenter, type AugmentOptions, type Normalisation } from "./augment.js";
import type { Batch, FaceDataset } from "./dataset.js";
import { Random } from "./random.js";

/** Passed to the thread when it starts; the pictures are in shared memory. */
export interface BatchSetup {
  readonly dataset: FaceDataset;
  readonly seed: number;
  readonly augment: AugmentOptions;
  readonly normalisation: Normalisation;
  readonly labelSmoothing: number;
  /** Weight of each class in the loss. */
  readonly weights: Float32Array;
}

export interface BatchJob {
  readonly key: string;
  readonly epoch: number;
  /** Where in the epoch the batch starts, so that a picture drawn twice is augmented differently each time. */
  readonly first: number;
  readonly rows: Uint32Array;
}

const { dataset, seed, augment, normalisation, labelSmoothing, weights } = workerData as BatchSetup;
const { width, height, images, label, soft, labels } = dataset;
const augmenter = new Augmenter(augment, width, height, normalisation);

parentPort?.on("message", ({ key, epoch, first, rows }: BatchJob) => {
  const size = width * height;
  const classes = labels.length;
  const x = new Float32Array(rows.length * size);
  const y = new Float32Array(rows.length * classes).fill(labelSmoothing / classes);
  const weight = Float32Array.from(rows, (row) => weights[label[row] ?? 0] ?? 1);
  rows.forEach((row, i) => {
    const random = new Random(seed, epoch, first + i, row);
    augmenter.apply(
      images.subarray(row * size, (row + 1) * size),
      random,
      x.subarray(i * size, (i + 1) * size),
    );
    for (let c = 0; c < classes; c++) {
      const target = soft ? (soft[row * classes + c] ?? 0) : c === label[row] ? 1 : 0;
      y[i * classes + c] = (y[i * classes + c] ?? 0) + (1 - labelSmoothing) * target;
    }
  });
  const batch: Batch = { x, y, weight, size: rows.length };
  parentPort?.postMessage({ key, batch }, [x.buffer, y.buffer, weight.buffer]);
});
