import { readFile } from "node:fs/promises";
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from "yaml";
import { ConfigError, messageOf } from "../errors.js";
import type { Place } from "./plan.js";

/** Keys and indices that lead to a value. */
export type YamlPath = readonly (string | number)[];

/** One thing wrong with a file. */
export interface Problem {
  readonly place: Place | string;
  readonly message: string;
}

/** A parsed YAML file: its value, and where in the file each part of it stands. */
export interface YamlFile {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at `path` stands, or the nearest thing around it that does. */
  place(path: YamlPath): Place;
  /** Where the key at the end of `path` stands. */
  keyPlace(path: YamlPath): Place;
}

const MAX_BYTES = 4 * 2 ** 20;
const MAX_ALIASES = 100;

/** Reads a YAML file. Throws `ConfigError` when it is missing, too large, or not YAML. */
export async function readYaml(file: string): Promise<YamlFile> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === "ENOENT"
        ? "no such file"
        : cause.code === "EISDIR"
          ? "it is a folder; give a YAML file"
          : messageOf(cause);
    throw new ConfigError("CONFIG_READ", `${file}: ${why}`, { cause });
  });
  return parseYaml(text, file);
}

/** @param file names the text in places and errors */
export function parseYaml(text: string, file: string): YamlFile {
  if (text.length > MAX_BYTES)
    throw new ConfigError("CONFIG_READ", `${file}: ${text.length} bytes is more than a configuration has`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0)
    throw problemsError(
      document.errors.map((error) => ({ place: placeAt(error.pos[0]), message: plain(error.message) })),
    );
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw new ConfigError("CONFIG_SYNTAX", `${file}: ${messageOf(cause)}`, { cause });
  }
  const root = document.contents;
  return {
    file,
    value,
    place: (path) => placeAt(nodeAt(root, path)?.range?.[0] ?? 0),
    keyPlace: (path) => placeAt(keyAt(root, path) ?? nodeAt(root, path)?.range?.[0] ?? 0),
  };
}

/** All problems of a file as one error, one line each, in the order of the file. */
export function problemsError(problems: readonly Problem[]): ConfigError {
  const order = ({ place }: Problem) => (typeof place === "string" ? 0 : place.line * 10_000 + place.column);
  const sorted = [...problems].sort((a, b) => order(a) - order(b));
  return new ConfigError("CONFIG", sorted.map(({ place, message }) => `${placeText(place)}: ${message}`).join("\n"));
}

export function placeText(place: Place | string): string {
  return typeof place === "string" ? place : `${place.file}:${place.line}:${place.column}`;
}

function plain(message: string): string {
  if (message.startsWith("Map keys must be unique")) return "this key stands twice; keep one of them";
  return message.split("\n")[0] ?? message;
}

/** The node at `path`, or the innermost one on the way to it. */
function nodeAt(root: ParsedNode | null, path: YamlPath): Node | undefined {
  let node: unknown = root;
  let last: Node | undefined = root ?? undefined;
  for (const step of path) {
    const next = childOf(node, step);
    if (!next) break;
    node = next;
    last = next;
  }
  return last;
}

function childOf(node: unknown, step: string | number): Node | undefined {
  if (isSeq(node)) return node.items[Number(step)] as Node | undefined;
  if (!isMap(node)) return undefined;
  const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
  const value = pair?.value;
  return isMap(value) || isSeq(value) || isScalar(value) || isAlias(value) ? (value as Node) : undefined;
}

function keyAt(root: ParsedNode | null, path: YamlPath): number | undefined {
  const parent = nodeAt(root, path.slice(0, -1));
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(path.at(-1)));
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
}
