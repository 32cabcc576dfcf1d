import { open, readFile, rename } from "node:fs/promises";
import { ConfigError, ModelError, messageOf } from "../../errors.js";
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
  const beside = `${file}.new`;
  const handle = await open(beside, "w");
  try {
    await handle.writeFile(Buffer.concat([head, json, ...bytes]));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(beside, file);
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
  const fail = (why: string, cause?: unknown): never => {
    throw new ModelError("CHECKPOINT", `${file}: ${why}; delete it to begin anew`, {
      cause,
    });
  };
  const bytes = await readFile(file).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "there is no checkpoint to resume from" : messageOf(cause);
    throw new ConfigError("CHECKPOINT", `${file}: ${why}; begin without --resume`, { cause });
  });
  if (bytes.length < HEAD || bytes.toString("latin1", 0, MAGIC.length) !== MAGIC)
    fail("this is no checkpoint");
  const start = HEAD + bytes.readUInt32LE(MAGIC.length);
  let head: { recipe: string; progress: Progress; sizes: number[] };
  try {
    head = JSON.parse(bytes.toString("utf8", HEAD, start)) as typeof head;
  } catch (cause) {
    return fail("it is damaged", cause);
  }
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
