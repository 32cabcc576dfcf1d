import { parse } from "yaml";
import { ConfigError, messageOf } from "../errors.js";

/**
 * Applies `--set a.b.c=value` to a configuration. Steps are keys, indices of lists, or ids (or types) of list items;
 * the value is read as YAML. Changes `root` in place.
 */
export function applySetting(root: unknown, setting: string): void {
  const fail = (what: string): never => {
    throw new ConfigError("CONFIG_SET", `--set ${setting}: ${what}; write e.g. --set sources.0.path=video.mp4`);
  };
  const equals = setting.indexOf("=");
  if (equals < 1) fail("it has no `=`");
  const steps = setting.slice(0, equals).split(".");
  let value: unknown;
  try {
    value = parse(setting.slice(equals + 1)) as unknown;
  } catch (cause) {
    fail(`its value is not YAML (${messageOf(cause).split("\n")[0]})`);
  }
  const last = steps.pop() ?? "";
  let node: unknown = root;
  for (const step of steps) {
    const found: unknown = isObject(node) ? node[keyOf(node, step) ?? ""] : undefined;
    if (found === undefined && isObject(node) && !Array.isArray(node)) {
      node[step] = {};
      node = node[step];
    } else node = found;
  }
  if (!isObject(node)) return fail(`there is no \`${steps.join(".")}\``);
  const key = keyOf(node, last);
  if (key === undefined) return fail(`\`${steps.join(".")}\` has no item \`${last}\``);
  node[key] = value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** The key a step means in a mapping or a list. */
function keyOf(node: Record<string, unknown>, step: string): string | undefined {
  if (!Array.isArray(node)) return step;
  if (/^\d+$/.test(step)) return Number(step) < node.length ? step : undefined;
  const named = (name: "id" | "type") => node.findIndex((item: unknown) => isObject(item) && item[name] === step);
  const index = named("id") >= 0 ? named("id") : named("type");
  return index >= 0 ? String(index) : undefined;
}
