import { cores } from "../cores.js";
import { ConfigError } from "../errors.js";

/** Default of inference engines. */
const DEFAULT = 2;

/** End of the help text of an inference verb's `--threads`. */
export const THREADS_HELP = `at most the number of cores (default: ${DEFAULT})`;

/** Help text of a training verb's `--threads`; each thread takes a part of the batch. */
export const TRAINING_THREADS_HELP = "threads to train on, at most the number of cores (default: all cores)";

/**
 * The value of a `--threads` option, at most the number of cores: more threads would wait for each other. Throws
 * `ConfigError`.
 *
 * @param standard default, limited to the number of cores
 */
export function threadsOf(text: string | undefined, standard = DEFAULT): number {
  const most = cores();
  if (text === undefined) return Math.min(standard, most);
  const threads = Number(text);
  if (/^\d+$/.test(text) && threads >= 1 && threads <= most) return threads;
  throw new ConfigError(
    "USAGE",
    `--threads ${text}: must be a whole number from 1 to ${most}, the number of cores`,
  );
}
