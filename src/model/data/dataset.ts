import { columnsOf, padEnd, padStart } from "../../columns.js";
import { isNamed } from "./split-names.js";

/** Labelled faces of one size, all in memory, in parallel arrays: picture `i` is row `i` of each. */
export interface FaceDataset {
  readonly name: string;
  /** Names of the classes; `label` and the columns of `soft` index it. */
  readonly labels: readonly string[];
  readonly width: number;
  readonly height: number;
  /** `n * height * width` grey levels, row-major, in shared memory so that workers read it in place. */
  readonly images: Uint8Array<SharedArrayBuffer>;
  readonly label: Uint8Array;
  /** `[n, labels]`, each row sums to 1: soft labels from several annotators. Absent if only the labels are known. */
  readonly soft?: Float32Array;
  /** Names of the splits, e.g. `Training`. */
  readonly splits: readonly string[];
  /** Index into `splits`. */
  readonly split: Uint8Array;
  /** Where each picture came from: a file's path, or `row 12` of a CSV. */
  readonly ids: readonly string[];
}

/** Training input, ready for the network. */
export interface Batch {
  /** `[size, 1, height, width]`, pixels as `pixel * scale + offset`. */
  readonly x: Float32Array;
  /** `[size, labels]`, each row sums to 1, with label smoothing applied. */
  readonly y: Float32Array;
  /** `[size]`, weight of each picture in the loss; it averages 1 over the training pictures. */
  readonly weight: Float32Array;
  readonly size: number;
}

/** Batches whose order and augmentation depend only on the seed and the epoch's number. */
export interface BatchSource {
  readonly batchesPerEpoch: number;
  /** One epoch at a time: asking for the next one ends the previous one. */
  epoch(number: number): AsyncIterable<Batch>;
  close(): Promise<void>;
}

/** The rows of the named splits, in order. Names are case-insensitive, and `train` means `training`. */
export function rowsOf(dataset: FaceDataset, names: readonly string[]): Uint32Array {
  const wanted = dataset.splits.map((name) => isNamed(name, names));
  const rows: number[] = [];
  for (let i = 0; i < dataset.split.length; i++) if (wanted[dataset.split[i] ?? 0]) rows.push(i);
  return Uint32Array.from(rows);
}

/** The data set reduced to these rows, in this order. */
export function pick(dataset: FaceDataset, rows: Uint32Array): FaceDataset {
  const { width, height, labels, soft } = dataset;
  const size = width * height;
  const images = new Uint8Array(new SharedArrayBuffer(rows.length * size));
  const picked = soft && new Float32Array(rows.length * labels.length);
  rows.forEach((row, i) => {
    images.set(dataset.images.subarray(row * size, (row + 1) * size), i * size);
    picked?.set(soft?.subarray(row * labels.length, (row + 1) * labels.length) ?? [], i * labels.length);
  });
  return {
    ...dataset,
    images,
    label: Uint8Array.from(rows, (row) => dataset.label[row] ?? 0),
    ...(picked && { soft: picked }),
    split: Uint8Array.from(rows, (row) => dataset.split[row] ?? 0),
    ids: Array.from(rows, (row) => dataset.ids[row] ?? ""),
  };
}

/** How many pictures each class has in each split, as a plain-text table. */
export function countTable(dataset: FaceDataset): string {
  const { labels, splits } = dataset;
  const counts = labels.map(() => splits.map(() => 0));
  dataset.label.forEach((label, i) => {
    const row = counts[label];
    const split = dataset.split[i] ?? 0;
    if (row) row[split] = (row[split] ?? 0) + 1;
  });
  const total = splits.map((_, s) => counts.reduce((sum, row) => sum + (row[s] ?? 0), 0));
  const rows = [
    ["", ...splits],
    ...labels.map((label, c) => [label, ...(counts[c] ?? [])]),
    ["all", ...total],
  ];
  const first = Math.max(...rows.map(([name]) => columnsOf(String(name))));
  const widths = splits.map((name) => Math.max(columnsOf(name), 7));
  return rows
    .map(([name, ...cells]) =>
      [padEnd(String(name), first), ...cells.map((cell, s) => padStart(String(cell), widths[s] ?? 7))].join(
        "  ",
      ),
    )
    .join("\n");
}
