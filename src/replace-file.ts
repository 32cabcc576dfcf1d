import { randomUUID } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { setTimeout as wait } from "node:timers/promises";

/** Whether a path is a pipe or a device, such as `/dev/stdout`: it is written to, and never replaced. */
export async function isPipeOrDevice(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && !info.isFile() && !info.isDirectory();
}

/** Writes to a temporary file and renames it, so that readers always see either the old or the new content. */
export async function replaceFile(path: string, content: Uint8Array | string): Promise<void> {
  if (await isPipeOrDevice(path)) return writeFile(path, content);
  const beside = `${path}.${randomUUID()}.part`;
  try {
    await writeFile(beside, content);
    await renameOver(beside, path);
  } finally {
    await rm(beside, { force: true });
  }
}

/** Waits before retries, ms. */
const TRIES_MS = [10, 20, 50, 100, 200, 500, 1000, 1000];

/**
 * Renames, replacing an existing file. On Windows this fails while another program, such as a virus scanner or indexer,
 * briefly has one of the files open, so it is retried for three seconds.
 */
export async function renameOver(from: string, to: string): Promise<void> {
  for (const waitMs of TRIES_MS) {
    try {
      return await rename(from, to);
    } catch (error) {
      if (!isHeld(error)) throw error;
      await wait(waitMs);
    }
  }
  await rename(from, to);
}

/** Whether a file could not be renamed or deleted because, as on Windows, another program may have it open. */
export function isHeld(error: unknown): boolean {
  const { code = "" } = error as NodeJS.ErrnoException;
  return process.platform === "win32" && ["EPERM", "EACCES", "EBUSY"].includes(code);
}
