import { readdir, stat } from "node:fs/promises";
import nodePath, { join, type PlatformPath } from "node:path";

/** True for a path that contains `*`, `?`, `[...]` or `{a,b}`. */
export function isGlob(path: string): boolean {
  return /[*?[\]{}]/.test(path);
}

/**
 * Files that match a pattern, in no particular order. `*` and `?` stay within a name, `**` is any number of folders (at
 * the end: everything in them), `[a-z]` is one character, `{jpg,png}` is one of several. A leading dot must be matched
 * explicitly. Upper and lower case are the same on Windows and macOS, as in most of their file systems. Rejects if the
 * folder that the pattern starts with cannot be read, or if the pattern is invalid.
 */
export async function filesOf(given: string): Promise<string[]> {
  const { folder, deep, pattern } = patternOf(given);
  const expression = matcher(pattern);
  const entries = await readdir(folder, { recursive: deep, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => expression.test(comparable(path)));
}

/** The folder to list, whether its subfolders too, and the pattern in the form of `comparable`. */
export function patternOf(
  given: string,
  path: PlatformPath = nodePath,
): { folder: string; deep: boolean; pattern: string } {
  const pattern = path.normalize(given); // like the names compared with it
  const { root } = path.parse(pattern); // `C:\` on Windows, where `C:` is another folder
  const folders = pattern.slice(root.length).split(path.sep);
  const last = folders.pop();
  const first = folders.findIndex(isGlob);
  const fixed = first < 0 ? folders : folders.slice(0, first);
  return {
    folder: root + fixed.join(path.sep) || ".",
    deep: first >= 0 || last === "**",
    pattern: comparable(pattern, path),
  };
}

/** With slashes, and with accents as one character each: macOS may store a letter and its accent as two. */
function comparable(name: string, { sep }: PlatformPath = nodePath): string {
  return name.split(sep).join("/").normalize();
}

/**
 * The files that a name or a pattern stands for, sorted; empty if nothing matches. An existing file whose name looks
 * like a pattern stands for itself.
 */
export async function namedFiles(name: string): Promise<string[]> {
  if (!isGlob(name) || (await stat(name).catch(() => undefined))) return [name];
  return (await filesOf(name).catch(() => [])).sort();
}

function matcher(pattern: string): RegExp {
  let text = "";
  let braces = 0;
  for (let i = 0; i < pattern.length; i++) {
    const rest = pattern.slice(i);
    const start = i === 0 || pattern[i - 1] === "/";
    const set = /^\[(!?)([^\]/]+)\]/.exec(rest);
    if (rest.startsWith("**/") && start) {
      text += "(?:(?!\\.)[^/]+/)*";
      i += 2;
    } else if (rest === "**" && start) {
      text += "(?:(?!\\.)[^/]+/)*(?!\\.)[^/]+";
      i++;
    } else if (rest.startsWith("*")) text += start ? "(?!\\.)[^/]*" : "[^/]*";
    else if (rest.startsWith("?")) text += start ? "(?!\\.)[^/]" : "[^/]";
    else if (set) {
      text += start ? "(?![/.])" : "(?!/)";
      text += `[${set[1] ? "^" : ""}${(set[2] ?? "").replace(/[\\^]/g, "\\$&")}]`;
      i += set[0].length - 1;
    } else if (rest.startsWith("{") && rest.includes("}")) {
      text += "(?:";
      braces++;
    } else if (rest.startsWith("}") && braces > 0) {
      text += ")";
      braces--;
    } else if (rest.startsWith(",") && braces > 0) text += "|";
    else text += rest.charAt(0).replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
  }
  try {
    return new RegExp(`^${text}$`, ["win32", "darwin"].includes(process.platform) ? "i" : "");
  } catch {
    throw new Error(`"${pattern}" is not a valid pattern: check its brackets and braces`);
  }
}
