import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { generated } from "./docs/generated.js";

// Writes the reference and the editors' schema from the code; with --check, reports whether they are current instead.
const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");
const stale: string[] = [];
for (const [path, text] of await generated(root)) {
  const now = await readFile(path, "utf8").catch(() => "");
  if (now === text) continue;
  stale.push(relative(root, path));
  if (check) continue;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
if (check && stale.length > 0) {
  console.error(`${stale.join(", ")}: not current; run \`npm run docs\` and commit`);
  process.exitCode = 1;
} else console.log(stale.length > 0 ? `written: ${stale.join(", ")}` : "reference and schema are current");
