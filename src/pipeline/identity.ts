import { statSync } from "node:fs";
import { resolve } from "node:path";

/**
 * Equal for two names of one file, including links. Case makes no difference on Windows and macOS, nor wherever else the
 * file system ignores it, if the file exists.
 */
export function identity(path: string): string {
  try {
    const info = statSync(path, { bigint: true }); // file ids have 64 bits on Windows
    if (info.isFile()) return `${info.dev}:${info.ino}`;
  } catch {
    // does not exist yet, or cannot exist
  }
  const name = resolve(path);
  return ["win32", "darwin"].includes(process.platform) ? name.toLowerCase() : name;
}
