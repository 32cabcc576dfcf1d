import { parse } from "yaml";
import { ConfigError, messageOf } from "../errors.js";
import { hint } from "./nearest.js";
import { customTags, type YamlFile, type YamlPath } from "./yaml.js";

/**
 * Applies `--set a.b.c=value` to a configuration. Steps are keys, list indices, or ids (or types) of list items; the
 * value is parsed as YAML. Modifies `root` in place and returns the keys and indices that lead to the value.
 *
 * @param example a setting suitable for such a configuration, for messages
 */
export function applySetting(root: unknown, setting: string, example = "sources.0.path=video.mp4"): YamlPath {
  const equals = setting.indexOf("=");
  // The value may contain a password, so it is not shown.
  const name = equals < 0 ? setting : setting.slice(0, equals);
  const fail = (what: string, way = `write e.g. --set ${example}`): never => {
    throw new ConfigError("CONFIG_SET", `--set ${name}: ${what}; ${way}`);
  };
  if (equals < 0) fail("`=` is missing");
  if (equals === 0) fail("there is nothing before `=`");
  const steps = setting.slice(0, equals).split(".");
  if (steps.includes("__proto__")) fail("`__proto__` is not allowed");
  let value: unknown;
  try {
    const text = setting.slice(equals + 1);
    value = text === "-" ? text : (parse(text, { customTags }) as unknown); // standard input or output, not an empty list
  } catch (cause) {
    const [why = ""] = messageOf(cause).split(/ at line |\n/, 1);
    fail(`the value is not valid YAML (${why})`, `quote text: --set '${name}="..."'`);
  }
  const last = steps.pop() ?? "";
  const path: (string | number)[] = [];
  let node: unknown = root;
  const missing = (step: string) =>
    fail(
      `\`${[...path, step].join(".")}\` is not in the file`,
      Array.isArray(node) ? hint(step, namesOf(node)) : undefined,
    );
  for (const step of steps) {
    const key = isObject(node) ? keyOf(node, step) : undefined;
    if (!isObject(node) || key === undefined) return missing(step);
    if (!Object.hasOwn(node, key)) node[key] = {};
    path.push(Array.isArray(node) ? Number(key) : key);
    node = node[key];
  }
  const key = isObject(node) ? keyOf(node, last) : undefined;
  if (!isObject(node) || key === undefined) return missing(last);
  Object.defineProperty(node, key, { value, enumerable: true, writable: true, configurable: true });
  return [...path, Array.isArray(node) ? Number(key) : key];
}

/** The file with settings applied: places of values from a setting refer to the command line. */
export function withSettings(
  yaml: YamlFile,
  settings: readonly { readonly path: YamlPath; readonly place: string }[],
): YamlFile {
  const placed = (path: YamlPath) => settings.findLast((given) => isWithin(path, given.path))?.place;
  return {
    ...yaml,
    place: (path) => placed(path) ?? yaml.place(path),
    keyPlace: (path) => placed(path) ?? yaml.keyPlace(path),
  };
}

/** Whether `path` equals `outer` or lies within it. */
export function isWithin(path: YamlPath, outer: YamlPath): boolean {
  return outer.every((step, i) => String(step) === String(path[i]));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The names of list items: their ids and types. */
function namesOf(list: readonly unknown[]): string[] {
  const names = list.flatMap((item) => (isObject(item) ? [item.id, item.type] : []));
  return [...new Set(names.filter((name) => typeof name === "string"))];
}

/** The key or index that a step refers to in a mapping or list. */
function keyOf(node: Record<string, unknown>, step: string): string | undefined {
  if (!Array.isArray(node)) return step;
  if (/^\d+$/.test(step)) return Number(step) < node.length ? step : undefined;
  const named = (name: "id" | "type") =>
    node.findIndex((item: unknown) => isObject(item) && item[name] === step);
  const index = named("id") >= 0 ? named("id") : named("type");
  return index >= 0 ? String(index) : undefined;
}
