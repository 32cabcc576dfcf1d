import type { Problem, YamlFile, YamlPath } from "./yaml.js";

const VARIABLE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-((?:\\}|[^}])*))?\}|\$\{[^}]*\}?/g;
/** What `process.env` is, without the need for Node's types in those of the package. */
export type Variables = Readonly<Record<string, string | undefined>>;

const NUMBER = /^-?\d+(\.\d+)?$/;

/**
 * Replaces `${NAME}` and `${NAME:-default}` in every string of a value; `$${` is a literal `${`, and `\}` a `}` in
 * a default. A string that consists of a single variable becomes a number or a boolean if it looks like one.
 */
export function substitute(
  yaml: YamlFile,
  value: unknown,
  env: Variables,
  problems: Problem[],
  path: YamlPath = [],
): unknown {
  if (Array.isArray(value))
    return value.map((item, i) => substitute(yaml, item, env, problems, [...path, i]));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [
        key,
        substitute(yaml, item, env, problems, [...path, key]),
      ]),
    );
  return typeof value === "string"
    ? expand(value, env, (message) => problems.push({ place: yaml.place(path), message }))
    : value;
}

/** Expands one string; reports problems to `complain`. */
export function expand(text: string, env: Variables, complain: (message: string) => void): unknown {
  if (!text.includes("${")) return text;
  let alone = false;
  const expanded = text.replace(VARIABLE, (match: string, name?: string, fallback?: string) => {
    if (match === "$${") return "${";
    if (!name) {
      complain(
        `\`${match}\` is not a variable; write \${NAME} or \${NAME:-default}, or $\${ for a literal \${`,
      );
      return match;
    }
    if (fallback !== undefined && /(^|[^$])\$\{/.test(fallback)) {
      complain(`the default of the variable ${name} contains another variable; write a plain value`);
      return match;
    }
    const value = env[name] || fallback?.replaceAll("\\}", "}");
    if (value === undefined) {
      complain(`the variable ${name} is not set; set it, or give a default: \${${name}:-...}`);
      return "";
    }
    alone = match === text;
    return value;
  });
  if (!alone) return expanded;
  // A code such as 007, or a number too long to be exact, stays a string.
  if (NUMBER.test(expanded) && String(Number(expanded)) === expanded) return Number(expanded);
  return expanded === "true" ? true : expanded === "false" ? false : expanded;
}
