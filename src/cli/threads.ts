import { availableParallelism } from "node:os";
import { ConfigError } from "../errors.js";

const DEFAULT = 2;

/** Of a `--threads` option, after what the threads are for. */
export const THREADS_HELP = `no more than there are cores (default: ${DEFAULT})`;

/** The value of a `--threads` option: of more threads than cores each waits for the others. Throws `ConfigError`. */
export function threadsOf(text: string | undefined): number {
  const cores = availableParallelism();
  if (text === undefined) return Math.min(DEFAULT, cores);
  const threads = Number(text);
  if (/^\d+$/.test(text) && threads >= 1 && threads <= cores) return threads;
  throw new ConfigError(
    "USAGE",
    `--threads ${text}: it must be a whole number from 1 to ${cores}, the cores there are`,
  );
}
