import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { platform } from "node:os";

// Node has no locking API; these are flags that lock the opened file: open(2)'s on macOS and libuv's on Windows.
const EXCLUSIVE: Partial<Record<NodeJS.Platform, number>> = {
  darwin: 0x20 | constants.O_NONBLOCK,
  win32: 0x10000000,
};

/** Exit status of flock(1) if another process holds the lock. */
const HELD = 1;

/** There is no program to lock files with. */
export class NoLockProgram extends Error {}

/**
 * Locks a file for this process and returns the function that unlocks it; undefined if another holds it. The system
 * releases the lock when the process ends, however it ends. Throws the system's error if the file cannot be opened, and
 * `NoLockProgram`.
 */
export function lockFile(path: string): (() => void) | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDWR | constants.O_CREAT | (EXCLUSIVE[platform()] ?? 0), 0o644);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (["EAGAIN", "EBUSY"].includes(code)) return undefined;
    throw error;
  }
  if (platform() in EXCLUSIVE) return () => closeSync(file);
  // flock(2) locks the open file description, so the child's lock stays with our descriptor.
  const { status, error } = spawnSync("flock", ["-n", "3"], {
    stdio: ["ignore", "ignore", "ignore", file],
  });
  if (status === 0) return () => closeSync(file);
  closeSync(file);
  if (error) throw new NoLockProgram(error.message, { cause: error });
  if (status === HELD) return undefined;
  throw new Error(`flock ended with ${status}`);
}
