import { open, readFile, rm } from "node:fs/promises";
import { ConfigError, ModelError, messageOf } from "../../errors.js";
import { renameOver } from "../../replace-file.js";
import { written } from "../written.js";
import type { Plateau } from "./schedule.js";

/** How far a training run has come. */
export interface Progress {
  /** Current epoch, from 0. */
  readonly epoch: number;
  /** Batches done in this epoch. */
  readonly batch: number;
  /** Batches done in total. */
  readonly step: number;
  /** Sums over the epoch's batches. */
  readonly loss: number;
  readonly correct: number;
  /** Training time so far, ms. */
  readonly elapsedMs: number;
  readonly plateau: Plateau;
  readonly best: { readonly epoch: number; readonly loss: number } | null;
  readonly over: boolean;
}

const MAGIC = "EKSPCKPT";
const HEAD = MAGIC.length + 4;

/**
 * Writes a temporary file and renames it, so that a kill at any moment leaves either the old or the new one intact.
 * Format: 8 letters, the length of the JSON (32 bits), the JSON, the arrays (32-bit floats), all little endian. Throws
 * `ModelError` if it cannot be written.
 */
export async function writeCheckpoint(
  file: string,
  recipe: string,
  progress: Progress,
  arrays: readonly Float32Array[],
): Promise<void> {
  const json = Buffer.from(JSON.stringify({ recipe, progress, sizes: arrays.map(({ length }) => length) }));
  const head = Buffer.alloc(HEAD);
  head.write(MAGIC, "latin1");
  head.writeUInt32LE(json.length, MAGIC.length);
  const bytes = arrays.map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  await written(file, replaceSynced(file, Buffer.concat([head, json, ...bytes])));
}

async function replaceSynced(file: string, content: Uint8Array): Promise<void> {
  const beside = `${file}.new`;
  try {
    const handle = await open(beside, "w");
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await renameOver(beside, file);
  } catch (error) {
    // On a full disk, half a checkpoint would only waste space.
    await rm(beside, { force: true });
    throw error;
  }
}

/**
 * Fills `arrays` from a checkpoint of the same recipe. Throws `ConfigError` if there is none or it belongs to another
 * run, `ModelError` if it is damaged.
 */
export async function readCheckpoint(
  file: string,
  recipe: string,
  arrays: readonly Float32Array[],
): Promise<Progress> {
  const fail = (why: string): never => {
    throw new ModelError("CHECKPOINT", `${file}: ${why}; delete it to start over`);
  };
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "no checkpoint to resume from" : messageOf(cause);
    throw new ConfigError("CHECKPOINT", `${file}: ${why}; start without --resume`, { cause });
  });
  if (bytes.length < HEAD || bytes.toString("latin1", 0, MAGIC.length) !== MAGIC) fail("not a checkpoint");
  const start = HEAD + bytes.readUInt32LE(MAGIC.length);
  const head = headOf(bytes.toString("utf8", HEAD, start)) ?? fail("it is damaged");
  if (head.recipe !== recipe) throw otherRun(file, head.recipe, recipe);
  const floats = arrays.reduce((sum, { length }) => sum + length, 0);
  if (head.sizes.join() !== arrays.map(({ length }) => length).join() || bytes.length !== start + 4 * floats)
    fail("it is damaged or belongs to another network");
  // Copied, because floats must start at a multiple of four.
  const values = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length),
  );
  let at = 0;
  for (const array of arrays) {
    array.set(values.subarray(at, at + array.length));
    at += array.length;
  }
  return head.progress;
}

function otherRun(file: string, theirs: string, ours: string): ConfigError {
  const differ = differing(JSON.parse(theirs), JSON.parse(ours));
  const longer = differ.includes("epochs")
    ? "; a run cannot be extended, but another can start from its model (`from`)"
    : "";
  return new ConfigError(
    "CHECKPOINT",
    `${file}: it belongs to a run that differs in ${differ.join(", ")}; use the same values, or start over with --force instead of --resume${longer}`,
  );
}

/** Paths at which two JSON trees differ. */
function differing(a: unknown, b: unknown, path: readonly string[] = []): string[] {
  if (JSON.stringify(a) === JSON.stringify(b)) return [];
  if (!isTree(a) || !isTree(b)) return [path.join(".")];
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].flatMap((key) => differing(a[key], b[key], [...path, key]));
}

function isTree(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Head {
  /** The JSON that was given to `writeCheckpoint`. */
  readonly recipe: string;
  readonly progress: Progress;
  /** Lengths of the arrays. */
  readonly sizes: readonly number[];
}

/** The JSON of a checkpoint; undefined if it is damaged. */
function headOf(text: string): Head | undefined {
  try {
    const head = JSON.parse(text) as Partial<Head> | null;
    if (!head?.progress || !Array.isArray(head.sizes)) return undefined;
    JSON.parse(head.recipe ?? "");
    return head as Head;
  } catch {
    return undefined;
  }
}
