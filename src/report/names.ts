import { resolve, sep } from "node:path";
import type { Input } from "./read.js";

const ENDING = /(\.jsonl|\.ndjson|\.json)?(\.gz)?$/;

/** Display names of inputs: file names, or as much of the path as distinguishes equal ones. */
export function namesOf(inputs: readonly Pick<Input, "name" | "from">[]): string[] {
  const paths = inputs.map(({ name, from }) =>
    typeof from === "string" ? resolve(from).replace(ENDING, "").split(sep) : [name],
  );
  const deepest = paths.reduce((most, { length }) => Math.max(most, length), 0);
  let names = paths.map((parts) => parts.at(-1) ?? "");
  for (let depth = 2; depth <= deepest; depth++) {
    const alike = alikeOf(names);
    if (alike.size === 0) break;
    names = names.map((name, i) => (alike.has(name) ? (paths[i] ?? []).slice(-depth).join("/") : name));
  }
  const alike = alikeOf(names); // differ only in their extensions
  return names.map((name, i) => (alike.has(name) ? (inputs[i]?.name ?? name) : name));
}

function alikeOf(names: readonly string[]): Set<string> {
  const [once, more] = [new Set<string>(), new Set<string>()];
  for (const name of names) (once.has(name) ? more : once).add(name);
  return more;
}
