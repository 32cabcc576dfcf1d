import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { messageOf } from "./errors.js";

/**
 * Creates a folder and those above it, unless they exist. Node's own `recursive` never ends where a file system cannot
 * have new folders and says that they do not exist, as in /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await makeOne(path);
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const there = await stat(path).catch(() => undefined);
    if (!there?.isDirectory()) throw error;
  }
}

/** Whether a file could not be written because there is no room for it. */
export function isDiskFull(cause: unknown): boolean {
  return ["ENOSPC", "EDQUOT"].includes((cause as NodeJS.ErrnoException).code ?? "");
}

/** Why a file could not be written, as text for users. */
export function diskReason(cause: unknown): string {
  const { code } = cause as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOSPC: "the disk is full",
    ENOENT: "its folder does not exist and cannot be created",
    EACCES: "permission denied",
    EROFS: "the file system is read-only",
    EISDIR: "it is a folder",
    ENOTDIR: "a part of its path is a file",
    EEXIST: "a part of its path is a file",
    EDQUOT: "the disk quota is exceeded",
    ENAMETOOLONG: "its name is too long",
    ...(process.platform === "win32" && {
      EBUSY: "another program has it open",
      EPERM: "permission denied, or another program has it open",
    }),
  };
  return known[code ?? ""] ?? messageOf(cause);
}
