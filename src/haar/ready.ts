import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseCascade, readCascadeFile } from "./cascade.js";
import { type CascadeCode, type CompiledCascade, cascadeCode, instantiable } from "./compile.js";

/**
 * A cascade file, ready to run. `detect`'s default cascade was compiled when the package was built: reading and
 * compiling it takes half a second at each start. Throws `ModelError` if the file is missing or not a cascade.
 */
export async function readyCascade(path: string): Promise<CompiledCascade> {
  const text = await readCascadeFile(path);
  return instantiable((await readPrepared(text)) ?? cascadeCode(await parseCascade(text, path)));
}

/** Name of the file that `readyCascade` looks for beside this module; it changes with the text. */
export function preparedName(text: string): string {
  return `${createHash("sha256").update(text).digest("hex").slice(0, 32)}.json`;
}

/** Content of that file. */
export function prepared({ code, data, ...rest }: CascadeCode): string {
  const words = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return JSON.stringify({
    ...rest,
    code: Buffer.from(code).toString("base64"),
    data: words.toString("base64"),
  });
}

async function readPrepared(text: string): Promise<CascadeCode | undefined> {
  let json: string;
  try {
    json = await readFile(new URL(preparedName(text), import.meta.url), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const { code, data, ...rest } = JSON.parse(json) as PreparedFile;
  return { ...rest, code: bytesOf(code), data: new Int32Array(bytesOf(data).buffer) };
}

type PreparedFile = Pick<CascadeCode, "cascade" | "tables"> & { code: string; data: string };

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(base64, "base64")); // copied: the buffer's memory is shared
}
