import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parseCascade, readCascadeFile } from "./cascade.js";
import { type CascadeCode, type CompiledCascade, cascadeCode, instantiable } from "./compile.js";

/**
 * A cascade file, ready to run. The one that `detect` takes by default was compiled when the package was built: reading
 * and compiling it takes half a second, each time a run starts. Throws `ModelError` when it is missing or is no cascade.
 */
export async function readyCascade(path: string): Promise<CompiledCascade> {
  const text = await readCascadeFile(path);
  return instantiable((await readPrepared(text)) ?? cascadeCode(await parseCascade(text, path)));
}

/** The name of the file that `readyCascade` looks for beside this module: changed text has another one. */
export function preparedName(text: string): string {
  return `${createHash("sha256").update(text).digest("hex").slice(0, 32)}.json`;
}

/** What stands in it. */
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
  return new Uint8Array(Buffer.from(base64, "base64")); // a copy: the buffer's memory is shared with others
}
