import { cores } from "../cores.js";
import { ConfigError } from "../errors.js";

/** Of engines. */
const DEFAULT = 2;

/** Of a `--threads` option of inference, after what the threads are for. */
export const THREADS_HELP = `at most the number of cores (default: ${DEFAULT})`;

/** Of a `--threads` option of training, whose threads each take a part of the batch. */
export const TRAINING_THREADS_HELP = "threads to train on, at most the number of cores (default: all cores)";

/**
 * The value of a `--threads` option: of more threads than cores each waits for the others. Throws `ConfigError`.
 *
 * @param standard how many if the option is not given and there are so many cores
 */
export function threadsOf(text: string | undefined, standard = DEFAULT): number {
  const most = cores();
  if (text === undefined) return Math.min(standard, most);
  const threads = Number(text);
  if (/^\d+$/.test(text) && threads >= 1 && threads <= most) return threads;
  throw new ConfigError(
    "USAGE",
    `--threads ${text}: it must be a whole number from 1 to ${most}, the cores there are`,
  );
}
