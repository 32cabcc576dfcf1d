import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * Files that a name means: itself where there is such a file or where it is no pattern, else those that match it, in
 * the order of their names. `*`, `?` and `[abc]` stay within a folder, `**` goes through folders.
 */
export async function filesOf(name: string): Promise<string[]> {
  const exists = await stat(name).then(
    () => true,
    () => false,
  );
  if (exists || !/[*?[]/.test(name)) return [name];
  const [first = "", ...steps] = name.replaceAll("\\", "/").split("/");
  return first === "" ? match("/", steps) : match("", [first, ...steps]);
}

async function match(folder: string, [step, ...rest]: readonly string[]): Promise<string[]> {
  if (step === undefined) return [];
  if (!/[*?[]/.test(step)) return rest.length > 0 ? match(join(folder, step), rest) : [join(folder, step)];
  const entries = await readdir(folder || ".", { withFileTypes: true }).catch(() => []);
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  const found: string[] = step === "**" ? await match(folder, rest) : [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    if (step === "**") {
      if (entry.isDirectory()) found.push(...(await match(path, [step, ...rest])));
    } else if (patternOf(step).test(entry.name)) {
      if (rest.length > 0) found.push(...(await match(path, rest)));
      else if (!entry.isDirectory()) found.push(path);
    }
  }
  return found;
}

function patternOf(step: string): RegExp {
  const source = step
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".")
    .replaceAll("[!", "[^");
  return new RegExp(`^${source}$`, "u");
}
