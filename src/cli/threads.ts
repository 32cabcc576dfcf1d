import { ConfigError } from "../errors.js";

/** The value of a `--threads` option. Throws `ConfigError`. */
export function threadsOf(text: string): number {
  const threads = Number(text);
  if (Number.isInteger(threads) && threads >= 1 && threads <= 256) return threads;
  throw new ConfigError("USAGE", `--threads is ${text}; it must be a whole number from 1 to 256`);
}
