import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  visit,
} from "yaml";
import { ConfigError, messageOf } from "../errors.js";
import { count } from "../text.js";
import type { Place } from "./plan.js";

/** Keys and indices that lead to a value. */
export type YamlPath = readonly (string | number)[];

/** One thing wrong with a file. */
export interface Problem {
  readonly place: Place | string;
  readonly message: string;
}

/** A parsed YAML file: its value, and where in the file (or on the command line) each part of it stands. */
export interface YamlFile {
  readonly file: string;
  readonly value: unknown;
  /** Where the value at `path` stands, or the nearest thing around it that does. */
  place(path: YamlPath): Place | string;
  /** Where the key at the end of `path` stands. */
  keyPlace(path: YamlPath): Place | string;
}

const MAX_LENGTH = 256 * 2 ** 10;
const MAX_ALIASES = 100;
/** Of all anchors: the parser looks for each among all. */
const MAX_ALIASES_IN_ALL = 1000;
/** Of a broken file the first faults tell; the rest follow from them. */
const MAX_FAULTS = 10;

/**
 * Reads a YAML file. Throws `ConfigError` when it is missing, too large, or not YAML.
 *
 * @param wanted what the file is to be, for who named one that is not there
 */
export async function readYaml(file: string, wanted = "a pipeline file"): Promise<YamlFile> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    const why =
      cause.code === "ENOENT"
        ? `no such file; ${shippedAs(file) ?? `give the path of ${wanted}`}`
        : cause.code === "EISDIR"
          ? "it is a folder; give a YAML file"
          : messageOf(cause);
    throw new ConfigError("CONFIG_READ", `${file}: ${why}`, { cause });
  });
  return parseYaml(text, file);
}

/** Where a file of the package lies that docs and help name as in a clone: elsewhere it is not beside whoever reads them. */
function shippedAs(file: string): string | undefined {
  if (!/^(pipelines|recipes)\/[\w-]+\.yaml$/.test(file)) return undefined;
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  return existsSync(path) ? `Ekspresi's own is ${relative(process.cwd(), path)}` : undefined;
}

/** @param file names the text in places and errors */
export function parseYaml(text: string, file: string): YamlFile {
  if (text.length > MAX_LENGTH)
    throw new ConfigError(
      "CONFIG_READ",
      `${file}: ${count(text.length)} characters; a configuration may have at most ${count(MAX_LENGTH)}`,
    );
  if (text.includes("\0"))
    throw new ConfigError("CONFIG_READ", `${file}: it is not a text file; give a YAML file in UTF-8`);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: false, // the parser compares each with all before it; `doubleKeys` does not
    prettyErrors: false,
    merge: true,
    logLevel: "error", // or it warns, by Node's means, of keys that are told of below
  });
  const placeAt = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const faults = [...document.errors, ...document.warnings].map(({ pos, code, message }) => ({
    at: pos[0],
    message: plain(code, message),
  }));
  faults.push(...doubleKeys(document));
  if (faults.some(({ message }) => message.startsWith("Maximum call stack")))
    throw new ConfigError("CONFIG_SYNTAX", `${file}: it is nested too deeply; no configuration is`);
  const bare = faults.find(({ at }) => text.slice(at - 1, at + 1) === "${");
  if (bare) {
    const name = /^[^}\n]*\}?/.exec(text.slice(bare.at))?.[0] ?? "";
    const message = `a variable within { } or [ ] is written in quotes: "$${name}"`;
    throw problemsError([{ place: placeAt(bare.at - 1), message }]); // the rest follows from it
  }
  if (countAliases(document) > MAX_ALIASES_IN_ALL) throw tooManyAliases(file, MAX_ALIASES_IN_ALL);
  if (faults.length === 0) faults.push(...aliasFaults(document));
  const places = new Set<number>();
  const first = faults.filter(({ at }) => !places.has(at) && places.add(at));
  if (first.length > 0)
    throw problemsError(
      first.slice(0, MAX_FAULTS).map(({ at, message }) => ({ place: placeAt(at), message })),
    );
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw tooManyAliases(file, MAX_ALIASES, cause);
  }
  const root = document.contents;
  return {
    file,
    value,
    place: (path) => placeAt(nodeAt(root, path)?.range?.[0] ?? 0),
    keyPlace: (path) => placeAt(keyAt(root, path) ?? nodeAt(root, path)?.range?.[0] ?? 0),
  };
}

function tooManyAliases(file: string, most: number, cause?: unknown): ConfigError {
  const why = `more than ${most} values come out of its aliases (\`*name\`); write them out, or use fewer`;
  return new ConfigError("CONFIG_SYNTAX", `${file}: ${why}`, { cause });
}

function countAliases(document: Document.Parsed): number {
  let count = 0;
  visit(document, { Alias: () => void count++ });
  return count;
}

/** Keys that stand twice in one mapping. */
function doubleKeys(document: Document.Parsed): { at: number; message: string }[] {
  const faults: { at: number; message: string }[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value))
          faults.push({ at: key.range?.[0] ?? 0, message: "this key stands twice; keep one of them" });
        seen.add(key.value);
      }
    },
  });
  return faults;
}

/** Aliases of nothing, and of what they stand in: the first cannot be read, the second never ends. */
function aliasFaults(document: Document.Parsed): { at: number; message: string }[] {
  const faults: { at: number; message: string }[] = [];
  visit(document, {
    Alias(_, alias) {
      const at = alias.range?.[0] ?? 0;
      const target = alias.resolve(document);
      if (!target)
        faults.push({
          at,
          message: `\`*${alias.source}\` names no anchor above it; write \`&${alias.source}\` there`,
        });
      else if (target.range && target.range[0] <= at && at < target.range[1])
        faults.push({ at, message: `\`*${alias.source}\` stands within what it names; write the value out` });
    },
  });
  return faults;
}

/** All problems of a file as one error, one line each, in the order of the file. */
export function problemsError(problems: readonly Problem[]): ConfigError {
  const order = ({ place }: Problem) => (typeof place === "string" ? 0 : place.line * 10_000 + place.column);
  const sorted = [...problems].sort((a, b) => order(a) - order(b));
  return new ConfigError(
    "CONFIG",
    sorted.map(({ place, message }) => `${placeText(place)}: ${message}`).join("\n"),
  );
}

export function placeText(place: Place | string): string {
  return typeof place === "string" ? place : `${place.file}:${place.line}:${place.column}`;
}

/** What the parser says, in the words of who wrote the file. */
function plain(code: string, message: string): string {
  const [first = message] = message.split("\n");
  const flow = /^Flow (sequence|map) .* end with a (.)$/.exec(first);
  if (flow) return `the ${flow[1] === "map" ? "{" : "["} before this is not closed; add ${flow[2]}`;
  if (/^Missing closing ["']quote/.test(first))
    return "a text in quotes is not closed before this; add the closing quote";
  switch (code) {
    case "BLOCK_AS_IMPLICIT_KEY":
      return "no key can begin here; indent it as its neighbours are, and quote a text that holds `: `";
    case "BAD_INDENT":
      return "this line's indentation fits nothing above it; line it up with its neighbours";
    case "BAD_SCALAR_START":
      return `no value begins with ${first.at(-1)}; put the text in quotes`;
    case "MISSING_CHAR":
    case "MULTILINE_IMPLICIT_KEY":
      return "this key has no value; write `key: value`";
  }
  if (message.startsWith("Source contains multiple documents"))
    return "a second document begins here (`---`); put each in a file of its own";
  if (message.startsWith("Unresolved tag"))
    return `${message.split("\n")[0]}; leave tags out, and write a variable as \${NAME}`;
  if (message.startsWith("Tabs are not allowed")) return "a tab cannot indent YAML; use spaces";
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
