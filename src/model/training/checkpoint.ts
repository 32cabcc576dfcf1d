import { open, readFile, rename, rm } from "node:fs/promises";
import { ConfigError, ModelError, messageOf } from "../../errors.js";
import { written } from "../written.js";
import type { Plateau } from "./schedule.js";

/** Where a training run stands. */
export interface Progress {
  /** The epoch under way, from 0. */
  readonly epoch: number;
  /** Batches of it that are done. */
  readonly batch: number;
  /** Batches done in all. */
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
 * Writes beside the file and renames, so that a kill at any moment leaves the old or the new one whole.
 * The form: 8 letters, the length of the JSON (32 bits), the JSON, the arrays (32-bit floats), all little endian.
 * Throws `ModelError` where it cannot be written.
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
    await rename(beside, file);
  } catch (error) {
    // On a full disk half a checkpoint would only be in the way.
    await rm(beside, { force: true });
    throw error;
  }
}

/**
 * Fills `arrays` from a checkpoint of the same recipe. Throws `ConfigError` where there is none, or it is another's, and
 * `ModelError` where it is damaged.
 */
export async function readCheckpoint(
  file: string,
  recipe: string,
  arrays: readonly Float32Array[],
): Promise<Progress> {
  const fail = (why: string): never => {
    throw new ModelError("CHECKPOINT", `${file}: ${why}; delete it to begin anew`);
  };
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "there is no checkpoint to resume from" : messageOf(cause);
    throw new ConfigError("CHECKPOINT", `${file}: ${why}; begin without --resume`, { cause });
  });
  if (bytes.length < HEAD || bytes.toString("latin1", 0, MAGIC.length) !== MAGIC)
    fail("this is no checkpoint");
  const start = HEAD + bytes.readUInt32LE(MAGIC.length);
  const head = headOf(bytes.toString("utf8", HEAD, start)) ?? fail("it is damaged");
  if (head.recipe !== recipe)
    throw new ConfigError(
      "CHECKPOINT",
      `${file}: it belongs to another recipe, seed or data set; give those, or begin anew by --force instead of --resume`,
    );
  const floats = arrays.reduce((sum, { length }) => sum + length, 0);
  if (head.sizes.join() !== arrays.map(({ length }) => length).join() || bytes.length !== start + 4 * floats)
    fail("it is damaged, or of another network");
  // A copy, for floats must begin at a multiple of four.
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

interface Head {
  /** What `writeCheckpoint` was given. */
  readonly recipe: string;
  readonly progress: Progress;
  /** Lengths of the arrays. */
  readonly sizes: readonly number[];
}

/** The JSON of a checkpoint; undefined where it is damaged. */
function headOf(text: string): Head | undefined {
  try {
    const head = JSON.parse(text) as Partial<Head> | null;
    return head?.progress && Array.isArray(head.sizes) ? (head as Head) : undefined;
  } catch {
    return undefined;
  }
}
