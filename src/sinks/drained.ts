import { once } from "node:events";
import type { Writable } from "node:stream";

/**
 * Resolves once a full stream takes more, or is closed, since a broken pipe never emits `drain`. Rejects with its error.
 */
export async function drained(stream: Writable): Promise<void> {
  const done = new AbortController();
  const { signal } = done;
  const heard = [once(stream, "drain", { signal }), once(stream, "close", { signal })];
  try {
    await Promise.race(heard);
  } finally {
    done.abort(); // removes the other listeners
    await Promise.allSettled(heard);
  }
}
