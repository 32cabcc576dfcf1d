import { spawnSync } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { platform } from "node:os";
import { diskReason } from "../../disk.js";
import { SinkError } from "../../errors.js";

// Node has no locking API; these are flags that lock the opened file: open(2)'s on macOS and libuv's on Windows.
const EXCLUSIVE: Partial<Record<NodeJS.Platform, number>> = {
  darwin: 0x20 | constants.O_NONBLOCK,
  win32: 0x10000000,
};

/**
 * Locks a file for this process and returns a function that unlocks it. The system releases the lock when the process
 * ends, however it ends. Throws `SinkError` if another process holds it.
 */
export function lockFile(id: string, path: string): () => void {
  let file: number;
  try {
    file = openSync(path, constants.O_RDWR | constants.O_CREAT | (EXCLUSIVE[platform()] ?? 0), 0o644);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EAGAIN" || code === "EBUSY") throw taken(id, path, cause);
    throw new SinkError("SINK_OPEN", `${id}: ${path} cannot be written: ${diskReason(cause)}`, { cause });
  }
  if (!(platform() in EXCLUSIVE)) {
    // flock(2) locks the open file description, so the child's lock stays with our descriptor.
    const { status, error } = spawnSync("flock", ["-n", "3"], {
      stdio: ["ignore", "ignore", "ignore", file],
    });
    if (status !== 0) closeSync(file);
    if (error)
      throw new SinkError(
        "SINK_OPEN",
        `${id}: the spool needs the program \`flock\`; install util-linux (${error.message})`,
      );
    if (status !== 0) throw taken(id, path);
  }
  return () => closeSync(file);
}

function taken(id: string, path: string, cause?: unknown): SinkError {
  return new SinkError(
    "SINK_LOCKED",
    `${id}: another process uses ${path}; give each pipeline its own \`spool.path\``,
    { cause },
  );
}
