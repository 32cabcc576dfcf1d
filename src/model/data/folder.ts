import { basename, resolve } from "node:path";
import { DataError } from "../../errors.js";
import { whyUnreadable } from "../../media/picture.js";
import { count } from "../../text.js";
import { type Entry, listClasses, PICTURES } from "./class-folders.js";
import { type FaceDataset, rowsOf } from "./dataset.js";
import { greyPicture } from "./grey.js";
import { Random } from "./random.js";
import type { Skipped } from "./skipped.js";
import { partOf } from "./split.js";

/** Pictures decoded concurrently. */
const AT_ONCE = 16;

export interface FolderOptions {
  readonly width: number;
  readonly height: number;
  /** Names of the splits to learn from. */
  readonly training: readonly string[];
  /** Fraction of each class that becomes the split `validation` if the folder has no splits of its own. */
  readonly validation: number;
  readonly seed: number;
}

/**
 * Reads pictures from one folder per class (`happy/1.jpg`), or from splits that hold such folders (`train/happy/1.jpg`,
 * `test/...`). Classes are the folder names in alphabetical order. Pictures are rotated as their EXIF says, resized,
 * and converted to grey by their luma. Throws `DataError`.
 */
export async function readFolder(
  path: string,
  options: FolderOptions,
  skipped: Skipped,
  warn: (message: string) => void,
): Promise<FaceDataset> {
  const { labels, splits, entries, ignored } = await listClasses(path);
  if (ignored) warn(`${path}: skipped ${ignored}; pictures must be ${PICTURES}`);
  const { images, good } = await decodeAll(entries, options, skipped);
  // Only now: whether a damaged picture is there or not must not change what is held back.
  if (!splits) splitByClass(good, labels.length, options);
  const dataset = {
    name: basename(resolve(path)),
    labels,
    splits: splits ?? ["training", "validation"],
    width: options.width,
    height: options.height,
    images,
    label: Uint8Array.from(good, ({ label }) => label),
    split: Uint8Array.from(good, ({ split }) => split),
    ids: good.map(({ id }) => id),
  };
  checkClasses(dataset, path, options.training, warn);
  return dataset;
}

/** Moves a random part of each class to split 1; the seed decides which. */
function splitByClass(entries: Entry[], classes: number, { validation, seed }: FolderOptions): void {
  if (validation === 0) return;
  for (let label = 0; label < classes; label++) {
    const rows = Uint32Array.from(entries.keys()).filter((i) => entries[i]?.label === label);
    for (const row of new Random(seed, label).shuffle(rows).subarray(0, partOf(rows.length, validation))) {
      const entry = entries[row];
      if (entry) entry.split = 1;
    }
  }
}

/** The pictures, one after another, of the entries that can be decoded. */
async function decodeAll(entries: readonly Entry[], { width, height }: FolderOptions, skipped: Skipped) {
  const size = width * height;
  // Each goes where it stays: a large data set might not fit the memory twice.
  const images = new Uint8Array(new SharedArrayBuffer(entries.length * size));
  const good: Entry[] = [];
  for (let from = 0; from < entries.length; from += AT_ONCE) {
    const some = entries.slice(from, from + AT_ONCE);
    const pictures = await Promise.all(some.map(({ file }) => decode(file, width, height)));
    for (const [i, entry] of some.entries()) {
      const picture = pictures[i] ?? "";
      if (typeof picture === "string") skipped.add(entry.id, picture);
      else images.set(picture, (good.push(entry) - 1) * size);
    }
  }
  skipped.check(entries.length);
  return { images: images.subarray(0, good.length * size), good };
}

/** Grey pixels, or why the file cannot be decoded. */
async function decode(file: string, width: number, height: number): Promise<Uint8Array | string> {
  try {
    return await greyPicture(file, width, height);
  } catch (error) {
    return whyUnreadable(error);
  }
}

/** Throws if a class has no pictures at all. Only warns if it has none to learn from: this may be a test set. */
function checkClasses(
  dataset: FaceDataset,
  path: string,
  training: readonly string[],
  warn: (message: string) => void,
): void {
  const without = (rows: Iterable<number>) => {
    const seen = new Set(Array.from(rows, (row) => dataset.label[row]));
    return dataset.labels.filter((_, label) => !seen.has(label)).join(", ");
  };
  const empty = without(dataset.label.keys());
  if (empty)
    throw new DataError(
      "DATA_CLASSES",
      `${path}: no pictures of ${empty}; a class is a folder of ${PICTURES} pictures, and a split folder (train/, val/, test/) may only stand next to other splits`,
    );
  const rows = rowsOf(dataset, training);
  const unlearnt = rows.length > 0 ? without(rows) : "";
  if (unlearnt) warn(`${path}: no training pictures of ${unlearnt} (${count(rows.length)} of other classes)`);
}
