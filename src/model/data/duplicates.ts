import { createHash } from "node:crypto";
import { type FaceDataset, pick, rowsOf } from "./dataset.js";
import { isNamed } from "./split-names.js";

/**
 * Removes from the training splits every picture that another split contains, pixel for pixel: results on pictures that
 * a network was trained on mean nothing.
 */
export function dropCopies(
  dataset: FaceDataset,
  training: readonly string[],
): { dataset: FaceDataset; dropped: number } {
  const hashes = hashesOf(dataset);
  const inTraining = dataset.splits.map((name) => isNamed(name, training));
  const held = new Set<string>();
  hashes.forEach((hash, i) => {
    if (!inTraining[dataset.split[i] ?? 0]) held.add(hash);
  });
  return keep(dataset, (i) => !inTraining[dataset.split[i] ?? 0] || !held.has(hashes[i] ?? ""));
}

/** Removes pictures with almost uniform grey levels (standard deviation below `least`) from the named splits. */
export function dropBlank(
  dataset: FaceDataset,
  splits: readonly string[],
  least: number,
): { dataset: FaceDataset; dropped: number } {
  const considered = new Set(rowsOf(dataset, splits));
  const size = dataset.width * dataset.height;
  return keep(
    dataset,
    (i) => !considered.has(i) || deviation(dataset.images.subarray(i * size, (i + 1) * size)) >= least,
  );
}

function keep(dataset: FaceDataset, wanted: (row: number) => boolean) {
  const rows = Uint32Array.from(dataset.label.keys()).filter(wanted);
  const dropped = dataset.label.length - rows.length;
  return { dataset: dropped > 0 ? pick(dataset, rows) : dataset, dropped };
}

function hashesOf({ images, width, height, ids }: FaceDataset): string[] {
  const size = width * height;
  return ids.map((_, i) =>
    createHash("sha1")
      .update(images.subarray(i * size, (i + 1) * size))
      .digest("base64"),
  );
}

function deviation(pixels: Uint8Array): number {
  let sum = 0;
  let squares = 0;
  for (const pixel of pixels) {
    sum += pixel;
    squares += pixel * pixel;
  }
  const mean = sum / pixels.length;
  return Math.sqrt(Math.max(0, squares / pixels.length - mean * mean));
}
