import { statSync } from "node:fs";
import { resolve } from "node:path";

/** Equal for two names of one file, by links too, and in upper and lower case where the system makes no difference. */
export function identity(path: string): string {
  try {
    const info = statSync(path, { bigint: true }); // on Windows numbers of files have 64 bits
    return info.isFile() ? `${info.dev}:${info.ino}` : resolve(path);
  } catch {
    return resolve(path); // it is not there yet, or nowhere that it could be
  }
}
