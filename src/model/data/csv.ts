import { createReadStream } from "node:fs";
import { basename } from "node:path";
import { DataError, readReason } from "../../errors.js";
import { FER_LABELS } from "../card.js";
import type { FaceDataset } from "./dataset.js";
import type { Skipped } from "./skipped.js";
import { officialSplit } from "./split-names.js";

/** Precedes the row number in a picture's id. */
export const ROW_ID = "row ";

const LEAST_SIDE = 8;

const COMMA = 44;
const SPACE = 32;
const QUOTE = 34;
const RETURN = 13;

interface Columns {
  readonly emotion: number;
  readonly pixels: number;
  readonly usage: number;
}

/**
 * Reads FER-2013's CSV: columns `emotion`, `pixels` and `Usage` in any order, spaces around names allowed
 * (`icml_face_data.csv`). Pictures are square, all the size of the first intact one. Ids are `row 12`, counted from 0
 * below the header. Throws `DataError`.
 */
export async function readCsv(path: string, skipped: Skipped): Promise<FaceDataset> {
  const rows = new Rows(path);
  let columns: Columns | undefined;
  let total = 0;
  for await (const line of linesOf(path)) {
    if (!columns) {
      columns = header(line, path);
      continue;
    }
    const id = `${ROW_ID}${total++}`;
    const fault = rows.add(id, cellsOf(line), columns);
    if (fault) skipped.add(id, fault);
  }
  skipped.check(total);
  return rows.dataset();
}

/** The intact rows read so far. */
class Rows {
  readonly #path: string;
  /** Pixels of a picture; 0: not known yet. */
  #size = 0;
  /** Grows by doubling. */
  #images = new Uint8Array(new SharedArrayBuffer(0));
  readonly #label: number[] = [];
  readonly #split: number[] = [];
  readonly #ids: string[] = [];
  readonly #splits: string[] = [];
  /** Index into `#splits`, by what the file calls it. */
  readonly #splitOf = new Map<string, number>();

  constructor(path: string) {
    this.#path = path;
  }

  /** Adds a row, unless it is damaged: then returns what is wrong with it. */
  add(id: string, cells: readonly Buffer[], { emotion, pixels, usage }: Columns): string | undefined {
    const label = Number(text(cells[emotion]) || Number.NaN);
    if (!Number.isInteger(label) || label < 0 || label >= FER_LABELS.length)
      return `its emotion is not a number from 0 to ${FER_LABELS.length - 1}`;
    const name = usage < 0 ? "all" : text(cells[usage]);
    const fault = this.#picture(cells[pixels]) ?? (name ? undefined : "its Usage is empty");
    if (fault) return fault;
    const split = this.#splitOf.get(name) ?? indexIn(this.#splits, spelling(name), this.#path);
    this.#splitOf.set(name, split);
    this.#label.push(label);
    this.#split.push(split);
    this.#ids.push(id);
    return undefined;
  }

  dataset(): FaceDataset {
    const side = Math.sqrt(this.#size);
    return {
      name: basename(this.#path),
      labels: FER_LABELS,
      width: side,
      height: side,
      images: this.#images.subarray(0, this.#label.length * this.#size),
      label: Uint8Array.from(this.#label),
      splits: this.#splits,
      split: Uint8Array.from(this.#split),
      ids: this.#ids,
    };
  }

  /** Reads the next picture behind those of the rows so far. Returns what is wrong with it. */
  #picture(cell: Buffer | undefined): string | undefined {
    this.#size ||= pictureSize(cell);
    if (!cell?.length) return "it has no pixels";
    if (this.#size === 0) return `its pixels do not form a square of at least ${LEAST_SIDE}x${LEAST_SIDE}`;
    const from = this.#label.length * this.#size;
    const to = from + this.#size;
    if (this.#images.length < to) this.#images = grown(this.#images, 2 * to);
    return parsePixels(cell, this.#images.subarray(from, to));
  }
}

/** FER-2013's own spelling if it is one of its splits, whatever the case. */
function spelling(usage: string): string {
  const official = officialSplit(usage) ?? usage;
  return official === "training" ? "Training" : official;
}

/** Index of a split by name; a new one is added. */
function indexIn(splits: string[], name: string, path: string): number {
  const index = splits.indexOf(name);
  if (index >= 0) return index;
  if (splits.length === 255)
    throw new DataError(
      "DATA_SPLIT",
      `${path}: column Usage has more than 255 different values (${splits.slice(0, 3).join(", ")}, ...); it must name splits, such as Training`,
    );
  return splits.push(name) - 1;
}

/** Lines without their line ends. Keeps at most one chunk and one line in memory. */
async function* linesOf(path: string): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      const data: Buffer = rest.length > 0 ? Buffer.concat([rest, chunk as Buffer]) : (chunk as Buffer);
      let from = 0;
      for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, from)) {
        const line = data.subarray(from, data[end - 1] === 13 ? end - 1 : end);
        from = end + 1;
        if (line.length > 0) yield line;
      }
      rest = data.subarray(from);
      if (rest.length > 1 << 24) throw new Error("a line is longer than 16 MB; this is not FER-2013's CSV");
    }
  } catch (cause) {
    throw new DataError("DATA_READ", `${path}: ${readReason(cause)}`, { cause });
  }
  if (rest.length > 0) yield rest;
}

function header(line: Buffer, path: string): Columns {
  const names = cellsOf(line).map((cell) =>
    text(cell)
      .replace(/^\uFEFF/, "")
      .toLowerCase(),
  );
  const [emotion = -1, pixels = -1, usage = -1] = ["emotion", "pixels", "usage"].map((name) =>
    names.indexOf(name),
  );
  if (emotion < 0 || pixels < 0)
    throw new DataError(
      "DATA_HEADER",
      `${path}: the first line names the columns ${names.slice(0, 8).join(", ").slice(0, 80)}; it must name emotion, pixels and Usage`,
    );
  return { emotion, pixels, usage };
}

/** Cells of a line. None of them may contain a comma; no version of this file has any. */
function cellsOf(line: Buffer): Buffer[] {
  const cells: Buffer[] = [];
  let from = 0;
  for (let end = line.indexOf(COMMA); end >= 0; end = line.indexOf(COMMA, from)) {
    cells.push(line.subarray(from, end));
    from = end + 1;
  }
  cells.push(line.subarray(from));
  return cells;
}

function text(cell: Buffer | undefined): string {
  return cell?.toString("utf8").replaceAll('"', "").trim() ?? "";
}

/** How many numbers the cell holds if they form a square picture, otherwise 0: a damaged row must not set the size. */
function pictureSize(cell: Buffer | undefined): number {
  const count = text(cell).split(/\s+/).length;
  const side = Math.sqrt(count);
  return Number.isInteger(side) && side >= LEAST_SIDE ? count : 0;
}

/** Writes the cell's numbers to `out`. Returns what is wrong with them, or undefined. */
function parsePixels(cell: Buffer, out: Uint8Array): string | undefined {
  let count = 0;
  let value = -1; // -1: between numbers
  for (let i = 0; i <= cell.length; i++) {
    const code = i < cell.length ? (cell[i] ?? 0) : SPACE;
    if (code >= 48 && code <= 57) value = Math.max(0, value) * 10 + code - 48;
    else if (code === SPACE || code === QUOTE || code === RETURN) {
      if (value > 255) return `a pixel is ${value}, above 255`;
      if (value >= 0 && count++ < out.length) out[count - 1] = value;
      value = -1;
    } else return "its pixels are not all numbers";
  }
  return count === out.length ? undefined : `it has ${count} pixels instead of ${out.length}`;
}

function grown(images: Uint8Array, length: number): Uint8Array<SharedArrayBuffer> {
  const larger = new Uint8Array(new SharedArrayBuffer(length));
  larger.set(images);
  return larger;
}
