import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { DataError, readReason } from "../../errors.js";
import { plural } from "../../text.js";
import { officialSplit } from "./split-names.js";

/** File names of pictures that can be decoded. */
const PICTURE = /\.(jpe?g|png|webp|tiff?)$/i;
export const PICTURES = "JPEG, PNG, WebP or TIFF";

/** A picture's file, its path inside the folder, its class and its split. */
export interface Entry {
  readonly file: string;
  readonly id: string;
  readonly label: number;
  split: number;
}

/** Contents of a folder of classes; nothing is decoded yet. */
export interface ClassFolders {
  /** The classes, in alphabetical order. */
  readonly labels: readonly string[];
  /** The splits it holds; undefined if it holds the classes directly. */
  readonly splits: readonly string[] | undefined;
  readonly entries: Entry[];
  /** What was skipped, in words; empty if nothing was. */
  readonly ignored: string;
}

/** Lists `happy/1.jpg`, or `train/happy/1.jpg` if every folder is named like a split. Throws `DataError`. */
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
    for (const folder of classes.folders) {
      const name = folder.normalize(); // macOS and archives made there write ü as u and two dots
      names.add(name);
      const { files, folders } = await contentsOf(join(path, root, folder));
      inner += folders.length;
      for (const file of files) {
        const id = join(root, folder, file);
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
      `${path}: ${plural(labels.length, "class folder")}; give a folder with one folder per class, 2 to 255 of them (happy/, sad/, ...)`,
    );
  const seen = new Map<string, string>();
  for (const name of labels) {
    const other = seen.get(name.toLowerCase());
    if (other !== undefined)
      throw new DataError(
        "DATA_CLASSES",
        `${path}: the classes ${other} and ${name} differ only in case; give them one name`,
      );
    seen.set(name.toLowerCase(), name);
  }
}

/**
 * Sorted names in a folder, without hidden ones and the `__MACOSX` folder that macOS adds to archives. Links are
 * followed.
 */
async function contentsOf(path: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  try {
    for (const entry of await readdir(path, { withFileTypes: true })) {
      const { name } = entry;
      if (name.startsWith(".") || name === "__MACOSX") continue;
      // A class may hold thousands of links: those named like pictures are only resolved when they are decoded.
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

/** Whether a link leads to a folder; false for a broken link. */
async function leadsToFolder(link: string): Promise<boolean> {
  try {
    return (await stat(link)).isDirectory();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw cause;
  }
}

/** How many file extensions to list; a folder of something else may have more than fit on a line. */
const LISTED = 5;

/** `3 .bmp, 1 .txt, 2 folders inside classes`. */
function inWords(files: readonly string[], folders: number): string {
  const counts = new Map<string, number>();
  for (const file of files) {
    const ending = extname(file).toLowerCase() || "without extension";
    counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
  const sorted = [...counts].sort(([, a], [, b]) => b - a);
  const others = sorted.slice(LISTED).reduce((sum, [, count]) => sum + count, 0);
  return [
    ...sorted.slice(0, LISTED).map(([ending, count]) => `${count} ${ending}`),
    ...(others > 0 ? [`${others} others`] : []),
    ...(folders > 0 ? [`${plural(folders, "folder")} inside classes`] : []),
  ].join(", ");
}
