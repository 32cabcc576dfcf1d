import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import sharp from "sharp";
import { DataError, messageOf } from "../../errors.js";
import { plural } from "../../text.js";
import type { FaceDataset } from "./dataset.js";
import { Random } from "./random.js";
import type { Skipped } from "./skipped.js";

const PICTURE = /\.(jpe?g|png|webp|bmp|tiff?)$/i;
const SPLIT = /^(train(ing)?|val(idation|id)?|test(ing)?|public_?test|private_?test)$/i;
/** Read and decoded at the same time. */
const AT_ONCE = 16;

export interface FolderOptions {
  readonly width: number;
  readonly height: number;
  /** Part of each class that becomes the split `validation`, where the folder has no splits of its own. */
  readonly validation: number;
  readonly seed: number;
}

interface Entry {
  readonly file: string;
  readonly id: string;
  readonly label: number;
  split: number;
}

/**
 * Reads pictures from one folder a class (`happy/1.jpg`), or from splits that hold such folders
 * (`train/happy/1.jpg`, `test/...`). Classes are the folders' names in alphabetical order. Pictures become grey and
 * are resized; colours by their luma, turned as their EXIF says. Throws `DataError`.
 */
export async function readFolder(
  path: string,
  options: FolderOptions,
  skipped: Skipped,
): Promise<FaceDataset> {
  const top = await foldersIn(path);
  const own = top.length > 0 && top.every((name) => SPLIT.test(name));
  const splits = own ? top : ["training", "validation"];
  const roots = own ? top.map((name) => join(path, name)) : [path];
  const labels = [...new Set((await Promise.all(roots.map(foldersIn))).flat())].sort();
  if (labels.length < 2 || labels.length > 255)
    throw new DataError(
      "DATA_CLASSES",
      `${path}: ${plural(labels.length, "folder")} of classes; give a folder with one folder for each of 2 to 255 classes (happy/, sad/, ...)`,
    );
  const entries: Entry[] = [];
  for (const [split, root] of roots.entries())
    for (const [label, name] of labels.entries())
      for (const file of await picturesIn(join(root, name)))
        entries.push({ file, id: file.slice(path.length + 1), label, split });
  if (!own) splitByClass(entries, labels.length, options);
  return { name: basename(path), labels, splits, ...(await decodeAll(entries, options, skipped)) };
}

/** Moves a part of each class to split 1, by the seed. */
function splitByClass(entries: Entry[], classes: number, { validation, seed }: FolderOptions): void {
  for (let label = 0; label < classes; label++) {
    const rows = Uint32Array.from(entries.keys()).filter((i) => entries[i]?.label === label);
    for (const row of new Random(seed, label)
      .shuffle(rows)
      .subarray(0, Math.round(rows.length * validation))) {
      const entry = entries[row];
      if (entry) entry.split = 1;
    }
  }
}

async function decodeAll(entries: readonly Entry[], { width, height }: FolderOptions, skipped: Skipped) {
  const size = width * height;
  const pixels: (Uint8Array | string)[] = [];
  for (let from = 0; from < entries.length; from += AT_ONCE)
    pixels.push(
      ...(await Promise.all(
        entries.slice(from, from + AT_ONCE).map(({ file }) => decode(file, width, height)),
      )),
    );
  const good = entries.flatMap((entry, i) => {
    const picture = pixels[i];
    if (picture instanceof Uint8Array) return [{ entry, picture }];
    skipped.add(entry.id, picture ?? "");
    return [];
  });
  skipped.check(entries.length);
  const images = new Uint8Array(new SharedArrayBuffer(good.length * size));
  good.forEach(({ picture }, i) => {
    images.set(picture, i * size);
  });
  return {
    width,
    height,
    images,
    label: Uint8Array.from(good, ({ entry }) => entry.label),
    split: Uint8Array.from(good, ({ entry }) => entry.split),
    ids: good.map(({ entry }) => entry.id),
  };
}

/** Grey pixels, or why there are none. */
async function decode(file: string, width: number, height: number): Promise<Uint8Array | string> {
  try {
    return await sharp(file, { failOn: "error" })
      .rotate()
      .flatten()
      .toColourspace("b-w")
      .resize(width, height, { fit: "cover" })
      .extractChannel(0)
      .raw()
      .toBuffer();
  } catch (error) {
    return messageOf(error).split("\n", 1)[0] ?? "it cannot be decoded";
  }
}

async function foldersIn(path: string): Promise<string[]> {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .map(({ name }) => name)
      .sort();
  } catch (cause) {
    throw new DataError("DATA_READ", `${path}: ${messageOf(cause)}; give a CSV file or a folder of classes`, {
      cause,
    });
  }
}

async function picturesIn(path: string): Promise<string[]> {
  const names = await readdir(path).catch(() => []);
  return names
    .filter((name) => PICTURE.test(name))
    .sort()
    .map((name) => join(path, name));
}
