import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { DataError, readReason } from "../../errors.js";
import { plural } from "../../text.js";
import { officialSplit } from "./split-names.js";

/** What can be decoded. */
const PICTURE = /\.(jpe?g|png|webp|tiff?)$/i;
export const PICTURES = "JPEG, PNG, WebP or TIFF";

/** A picture's file, where it belongs, and its path inside the folder. */
export interface Entry {
  readonly file: string;
  readonly id: string;
  readonly label: number;
  split: number;
}

/** What a folder of classes holds; nothing is decoded yet. */
export interface ClassFolders {
  /** The classes, in alphabetical order. */
  readonly labels: readonly string[];
  /** The splits that stand in it; undefined where the classes do. */
  readonly splits: readonly string[] | undefined;
  readonly entries: Entry[];
  /** What was passed over, in words; empty where nothing was. */
  readonly ignored: string;
}

/** Lists `happy/1.jpg`, or `train/happy/1.jpg` where all folders are named as splits are. Throws `DataError`. */
export async function listClasses(path: string): Promise<ClassFolders> {
  const top = await contentsOf(path);
  const own = top.folders.flatMap((name) => officialSplit(name) ?? []);
  const divided = own.length > 0 && own.length === top.folders.length;
  const roots = divided ? top.folders : ["."];
  const splits = [...new Set(own)];
  const found: (Omit<Entry, "label"> & { name: string })[] = [];
  const names = new Set<string>();
  const ignored = divided ? [...top.files] : [];
  let inner = 0;
  for (const [i, root] of roots.entries()) {
    const classes = divided ? await contentsOf(join(path, root)) : top;
    ignored.push(...classes.files);
    const split = divided ? splits.indexOf(own[i] ?? "") : 0;
    for (const name of classes.folders) {
      names.add(name);
      const { files, folders } = await contentsOf(join(path, root, name));
      inner += folders.length;
      for (const file of files) {
        const id = join(root, name, file);
        if (PICTURE.test(file)) found.push({ file: join(path, id), id, split, name });
        else ignored.push(file);
      }
    }
  }
  const labels = [...names].sort();
  checkNames(path, labels);
  return {
    labels,
    splits: divided ? splits : undefined,
    entries: found.map(({ name, ...entry }) => ({ ...entry, label: labels.indexOf(name) })),
    ignored: inWords(ignored, inner),
  };
}

function checkNames(path: string, labels: readonly string[]): void {
  if (labels.length < 2 || labels.length > 255)
    throw new DataError(
      "DATA_CLASSES",
      `${path}: ${plural(labels.length, "folder")} of classes; give a folder with one folder for each of 2 to 255 classes (happy/, sad/, ...)`,
    );
  const seen = new Map<string, string>();
  for (const name of labels) {
    const other = seen.get(name.toLowerCase());
    if (other !== undefined)
      throw new DataError(
        "DATA_CLASSES",
        `${path}: the classes ${other} and ${name} differ only in small and large letters; give them one name`,
      );
    seen.set(name.toLowerCase(), name);
  }
}

/** Names in a folder, sorted, without hidden ones and what macOS packs beside a folder; links are followed. */
async function contentsOf(path: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const { name } = entry;
      if (name.startsWith(".") || name === "__MACOSX") continue;
      // A class may hold links by the thousand; decoding finds out what is behind those that are named as pictures.
      const link = entry.isSymbolicLink() && !PICTURE.test(name);
      const isFolder = link ? await leadsToFolder(join(path, name)) : entry.isDirectory();
      (isFolder ? folders : files).push(name);
    }
  } catch (cause) {
    throw new DataError(
      "DATA_READ",
      `${path}: ${readReason(cause)}; give a CSV file or a folder of classes`,
      {
        cause,
      },
    );
  }
  return { folders: folders.sort(), files: files.sort() };
}

/** Whether there is a folder behind a link; not behind one that leads nowhere. */
async function leadsToFolder(link: string): Promise<boolean> {
  try {
    return (await stat(link)).isDirectory();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw cause;
  }
}

/** Endings that are told; a folder of anything else has more than a line can hold. */
const TOLD = 5;

/** `3 .bmp, 1 .txt, 2 folders inside classes`. */
function inWords(files: readonly string[], folders: number): string {
  const counts = new Map<string, number>();
  for (const file of files) {
    const ending = extname(file).toLowerCase() || "without ending";
    counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const others = sorted.slice(TOLD).reduce((sum, [, count]) => sum + count, 0);
  return [
    ...sorted.slice(0, TOLD).map(([ending, count]) => `${count} ${ending}`),
    ...(others > 0 ? [`${others} others`] : []),
    ...(folders > 0 ? [`${plural(folders, "folder")} inside classes`] : []),
  ].join(", ");
}
