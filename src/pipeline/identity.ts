import { statSync } from "node:fs";
import { resolve } from "node:path";

/** Equal for two names of one file, including links, and different case on case-insensitive file systems. */
export function identity(path: string): string {
  try {
    const info = statSync(path, { bigint: true }); // file ids have 64 bits on Windows
    return info.isFile() ? `${info.dev}:${info.ino}` : resolve(path);
  } catch {
    return resolve(path); // does not exist yet, or cannot exist
  }
}
