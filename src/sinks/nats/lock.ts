import { diskReason } from "../../disk.js";
import { SinkError } from "../../errors.js";
import { lockFile, NoLockProgram } from "../../lock.js";

/** Locks a spool for this process and returns the function that unlocks it. Throws `SinkError` if another has it. */
export function lockSpool(id: string, path: string): () => void {
  const unlock = attempt(id, path);
  if (unlock) return unlock;
  throw new SinkError(
    "SINK_LOCKED",
    `${id}: another process uses ${path}; give each pipeline its own \`spool.path\``,
  );
}

function attempt(id: string, path: string): (() => void) | undefined {
  try {
    return lockFile(path);
  } catch (cause) {
    const why =
      cause instanceof NoLockProgram
        ? `the spool needs the program \`flock\`; install util-linux (${cause.message})`
        : `${path} cannot be written: ${diskReason(cause)}`;
    throw new SinkError("SINK_OPEN", `${id}: ${why}`, { cause });
  }
}
