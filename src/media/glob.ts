import { readdir, stat } from "node:fs/promises";
import { join, normalize, sep } from "node:path";

/** True for a path that contains `*`, `?`, `[...]` or `{a,b}`. */
export function isGlob(path: string): boolean {
  return /[*?[\]{}]/.test(path);
}

/**
 * Files that match a pattern, in no particular order. `*` and `?` stay within a name, `**` is any number of folders,
 * `[a-z]` is one character, `{jpg,png}` is one of several. A leading dot must be matched explicitly. Rejects if the
 * folder that the pattern starts with cannot be read, or if the pattern is invalid.
 */
export async function filesOf(given: string): Promise<string[]> {
  const pattern = normalize(given); // like the names compared with it
  const parts = pattern.split(sep === "\\" ? /[\\/]/ : "/");
  const fixed = parts.slice(0, -1).findIndex(isGlob);
  const folder = parts.slice(0, fixed < 0 ? -1 : fixed).join(sep) || (pattern.startsWith("/") ? "/" : ".");
  const expression = matcher(pattern.split(sep).join("/"));
  const entries = await readdir(folder, { recursive: fixed >= 0, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => expression.test(path.split(sep).join("/")));
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
    } else if (rest.startsWith("*")) text += start ? "(?!\\.)[^/]*" : "[^/]*";
    else if (rest.startsWith("?")) text += start ? "(?!\\.)[^/]" : "[^/]";
    else if (set) {
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
    return new RegExp(`^${text}$`);
  } catch {
    throw new Error(`"${pattern}" is not a valid pattern: check its brackets and braces`);
  }
}
