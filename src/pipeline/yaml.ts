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
  type ScalarTag,
  type Tags,
  visit,
} from "yaml";
import { ConfigError, messageOf } from "../errors.js";
import { count } from "../text.js";
import type { Place } from "./plan.js";

/** Keys and indices that lead to a value. */
export type YamlPath = readonly (string | number)[];

/** One problem in a file. */
export interface Problem {
  readonly place: Place | string;
  readonly message: string;
}

/** A parsed YAML file: its value, and where each part of it is in the file (or on the command line). */
export interface YamlFile {
  readonly file: string;
  readonly value: unknown;
  /** Place of the value at `path`, or of the closest enclosing value. */
  place(path: YamlPath): Place | string;
  /** Place of the key at the end of `path`. */
  keyPlace(path: YamlPath): Place | string;
}

const CODE: ScalarTag = {
  tag: "tag:yaml.org,2002:str",
  default: true,
  test: /^[-+]?0\d+$/,
  resolve: (text) => text,
};

/** For the parser: a code such as 007 stays a string, as in variables. */
export const customTags = (tags: Tags): Tags => [CODE, ...tags];

const MAX_LENGTH = 256 * 2 ** 10;
const MAX_ALIASES = 100;
/** Limit for all anchors together, since the parser's time grows with their square. */
const MAX_ALIASES_IN_ALL = 1000;
/** Limit for syntax errors: later ones are usually consequences of the first. */
const MAX_FAULTS = 10;

/**
 * Reads a YAML file. Throws `ConfigError` if it is missing, too large, or not YAML.
 *
 * @param wanted the expected kind of file, for the error if it is missing
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

/** Finds a shipped file by its path in a clone, as docs and help give it; elsewhere that path does not exist. */
function shippedAs(file: string): string | undefined {
  if (!/^(pipelines|recipes)[\\/][\w-]+\.yaml$/.test(file)) return undefined;
  const path = fileURLToPath(new URL(`../../${file}`, import.meta.url));
  return existsSync(path) ? `the shipped one is ${relative(process.cwd(), path)}` : undefined;
}

/** @param file names the text in places and errors */
export function parseYaml(text: string, file: string): YamlFile {
  if (text.length > MAX_LENGTH)
    throw new ConfigError(
      "CONFIG_READ",
      `${file}: ${count(text.length)} characters; a configuration may have at most ${count(MAX_LENGTH)}`,
    );
  if (text.includes("\0"))
    throw new ConfigError("CONFIG_READ", `${file}: not a text file; give a YAML file in UTF-8`);
  const counter = new LineCounter();
  const document = parseDocument(text, {
    customTags,
    lineCounter: counter,
    uniqueKeys: false, // the parser compares each key with all before it; `doubleKeys` does not
    prettyErrors: false,
    merge: true,
    logLevel: "error", // otherwise it emits process warnings about keys that are reported below
  });
  const placeAt = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  const faults = faultsOf(document, file);
  const bare = faults.find(({ at }) => text.slice(at - 1, at + 1) === "${");
  if (bare) {
    const name = /^[^}\n]*\}?/.exec(text.slice(bare.at))?.[0] ?? "";
    const message = `a variable within { } or [ ] must be quoted: "$${name}"`;
    throw problemsError([{ place: placeAt(bare.at - 1), message }]); // further errors are consequences
  }
  if (faults.length > 0) {
    const found = faults.map(({ at, message }) => ({ place: placeAt(at), message }));
    const lines = new Set<number>();
    const first = found.filter(({ place: { line }, message }) => {
      const consequence = message === NO_VALUE && lines.has(line);
      lines.add(line);
      return !consequence;
    });
    throw problemsError(first.slice(0, MAX_FAULTS));
  }
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    const why = /^Merge sources/.test(messageOf(cause))
      ? "`<<` takes a mapping: `<<: *name`, where `&name` marks a mapping above"
      : `aliases (\`*name\`) expand to more than ${MAX_ALIASES} values; write them out, or use fewer`;
    throw new ConfigError("CONFIG_SYNTAX", `${file}: ${why}`, { cause });
  }
  const root = document.contents;
  return {
    file,
    value,
    place: (path) => placeAt(nodeAt(root, path)?.range?.[0] ?? 0),
    keyPlace: (path) => placeAt(keyAt(root, path) ?? nodeAt(root, path)?.range?.[0] ?? 0),
  };
}

interface Fault {
  /** Offset in the text. */
  readonly at: number;
  readonly message: string;
}

/** What is wrong with the syntax, once for each place. Throws `ConfigError` where that is the file as a whole. */
function faultsOf(document: Document.Parsed, file: string): Fault[] {
  const fail = (why: string): never => {
    throw new ConfigError("CONFIG_SYNTAX", `${file}: ${why}`);
  };
  const faults: Fault[] = [...document.errors, ...document.warnings].map(({ pos, code, message }) => ({
    at: pos[0],
    message: plain(code, message),
  }));
  faults.push(...doubleKeys(document));
  if (faults.some(({ message }) => message.startsWith("Maximum call stack")))
    fail("nested too deeply for a configuration file");
  // Before `aliasFaults`, which looks for the anchor of each.
  if (countAliases(document) > MAX_ALIASES_IN_ALL)
    fail(`more than ${count(MAX_ALIASES_IN_ALL)} aliases (\`*name\`); write the values out`);
  if (faults.length === 0) faults.push(...aliasFaults(document));
  return faults.sort(
    (a, b) => Number(b.message === NO_COMMA) - Number(a.message === NO_COMMA) || a.at - b.at,
  );
}

function countAliases(document: Document.Parsed): number {
  let aliases = 0;
  visit(document, { Alias: () => void aliases++ });
  return aliases;
}

/** Duplicate keys within a mapping. */
function doubleKeys(document: Document.Parsed): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        if (!isScalar(key)) continue;
        if (seen.has(key.value))
          faults.push({ at: key.range?.[0] ?? 0, message: "duplicate key; keep one of them" });
        seen.add(key.value);
      }
    },
  });
  return faults;
}

/** Unresolved aliases, and aliases within the value they refer to, which would never end. */
function aliasFaults(document: Document.Parsed): Fault[] {
  const faults: Fault[] = [];
  visit(document, {
    Alias(_, alias) {
      const at = alias.range?.[0] ?? 0;
      const target = alias.resolve(document);
      if (!target)
        faults.push({
          at,
          message: `\`*${alias.source}\` refers to no anchor above it; add \`&${alias.source}\` to a value above`,
        });
      else if (target.range && target.range[0] <= at && at < target.range[1])
        faults.push({
          at,
          message: `\`*${alias.source}\` is inside the value it refers to; write the value out`,
        });
    },
  });
  return faults;
}

/** All problems of a file as one error, one line each, in file order. */
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

const BAD_INDENT = "this line's indentation matches nothing above it; align it with its neighbours";
const NO_VALUE = "this key has no value; write `key: value`";
const NO_COMMA =
  "this does not belong within { } or [ ]; add the comma before it, and quote strings that contain `: `";

/** The parser's message in plain words. */
function plain(code: string, message: string): string {
  const [first = message] = message.split("\n");
  const flow = /^Flow (sequence|map) .* end with a (.)$/.exec(first);
  if (flow) return `the ${flow[1] === "map" ? "{" : "["} before this is not closed; add ${flow[2]}`;
  if (/^Missing closing ["']quote/.test(first))
    return "a quoted string is not closed before this; add the closing quote";
  if (/^Sequence item without -|^A block sequence may not/.test(first)) return BAD_INDENT;
  switch (code) {
    case "BLOCK_IN_FLOW":
      return NO_COMMA;
    case "BLOCK_AS_IMPLICIT_KEY":
      return "a key cannot start here; indent it like its neighbours, and quote strings that contain `: `";
    case "BAD_INDENT":
      return BAD_INDENT;
    case "UNEXPECTED_TOKEN":
      return first.startsWith("Unexpected block-seq-ind")
        ? "a list begins on the line after its key, or is written within [ ]"
        : "this does not belong here; remove it, align it with its neighbours, or put the string in quotes";
    case "BAD_DQ_ESCAPE":
      return "a backslash within double quotes must begin an escape sequence; put a Windows path in single quotes, or write it with /";
    case "BAD_SCALAR_START":
      return `a value cannot start with ${first.at(-1)}; put the string in quotes`;
    case "MISSING_CHAR":
    case "MULTILINE_IMPLICIT_KEY":
      return NO_VALUE;
  }
  if (message.startsWith("Source contains multiple documents"))
    return "a second document starts here (`---`); put each in its own file";
  if (message.startsWith("Unresolved tag"))
    return `${message.split("\n")[0]}; remove the tag, and write variables as \${NAME}`;
  if (message.startsWith("Tabs are not allowed")) return "YAML cannot be indented with tabs; use spaces";
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
