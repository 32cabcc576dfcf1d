import { isAbsolute, resolve } from "node:path";
import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { TSchema } from "typebox";
import { isSecret, redact } from "../media/redact.js";
import { isUrl } from "../media/url.js";
import type { Component } from "./component.js";
import { hint, nearest } from "./nearest.js";
import { parseBytes, parseDuration, parseLength, parseRate, parseSize } from "./quantities.js";
import { UNIT_FORMS, type Unit } from "./units.js";
import type { YamlPath } from "./yaml.js";

/** A JSON Schema as plain data. */
export interface JsonSchema {
  type?: string;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  const?: unknown;
  default?: unknown;
  description?: string;
  additionalProperties?: boolean | JsonSchema;
  "x-unit"?: Unit;
  /** The name of something that comes with the package, or a path: whoever confines paths must look at it. */
  "x-path"?: true;
  /** A path that is only read, also by a sink. */
  "x-read"?: true;
  [key: string]: unknown;
}

/** Something wrong with a value: where in it, and whether the key itself is what is wrong. */
export interface OptionProblem {
  readonly path: YamlPath;
  readonly atKey: boolean;
  readonly message: string;
}

/** A TypeBox schema as plain JSON Schema, unknown keys refused at every level. */
function closed(schema: TSchema): JsonSchema {
  const close = (node: JsonSchema): JsonSchema => {
    const copy = { ...node };
    if (copy.properties) {
      copy.properties = Object.fromEntries(Object.entries(copy.properties).map(([k, v]) => [k, close(v)]));
      copy.additionalProperties ??= false;
    }
    if (copy.items) copy.items = close(copy.items);
    if (copy.anyOf) copy.anyOf = copy.anyOf.map(close);
    return copy;
  };
  return close(JSON.parse(JSON.stringify(schema)) as JsonSchema);
}

// Components' schemas are TypeBox's work; checking them against the schema of schemas would take a tenth of a second.
const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  strict: false,
  strictNumbers: true,
  meta: false,
  validateSchema: false,
});
const compiled = new WeakMap<TSchema, { schema: JsonSchema; validate: ValidateFunction }>();

function compile(options: TSchema): { schema: JsonSchema; validate: ValidateFunction } {
  let entry = compiled.get(options);
  if (!entry) {
    const schema = closed(options);
    entry = { schema, validate: ajv.compile(schema) };
    compiled.set(options, entry);
  }
  return entry;
}

/** The folder that a relative path at this place among the options is relative to. */
export type FolderAt = (path: YamlPath) => string;

/** Checks options against their schema, fills in defaults, and turns values with a unit into what they mean. */
export function readOptions(
  options: TSchema,
  value: Record<string, unknown>,
  folderAt: FolderAt,
): { options: Record<string, unknown>; problems: OptionProblem[] } {
  const { schema, validate } = compile(options);
  const copy = structuredClone(value);
  let ok = validate(copy);
  // A variable's value may look like a number where a text is wanted.
  if (!ok && textsFromNumbers(copy, validate.errors ?? [])) ok = validate(copy);
  if (!ok) return { options: copy, problems: explain(validate.errors ?? [], value) };
  return { options: convert(schema, copy, folderAt, []) as Record<string, unknown>, problems: [] };
}

/** The schema of a component's options, unknown keys refused. */
export function optionsSchema(component: Component): JsonSchema {
  return compile(component.options).schema;
}

function textsFromNumbers(value: Record<string, unknown>, errors: readonly ErrorObject[]): boolean {
  let changed = false;
  for (const { instancePath, params, keyword } of errors) {
    if (keyword !== "type" || params.type !== "string") continue;
    const path = pathOf(instancePath);
    const key = path.pop();
    const parent = valueAt(value, path) as Record<string, unknown>;
    const wrong = key === undefined ? undefined : parent[key];
    if (key === undefined || typeof wrong !== "number") continue;
    parent[key] = String(wrong);
    changed = true;
  }
  return changed;
}

function valueAt(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, step) => (node as Record<string, unknown> | undefined)?.[step], value);
}

function pathOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function explain(errors: readonly ErrorObject[], value: Record<string, unknown>): OptionProblem[] {
  // Of a choice only the choice itself is told, not why each of its forms does not fit.
  const choices = errors.filter(({ keyword }) => keyword === "anyOf");
  const telling = errors.filter(
    (error) =>
      error.keyword === "anyOf" ||
      !choices.some(({ schemaPath }) => error.schemaPath.startsWith(`${schemaPath}/`)),
  );
  const outer = telling.filter(
    (error) => !choices.some((c) => c !== error && error.schemaPath.startsWith(`${c.schemaPath}/`)),
  );
  return outer.map((error) => {
    const path = pathOf(error.instancePath);
    return explainOne(error, isSecret(path.at(-1)) ? "***" : show(valueAt(value, path)));
  });
}

/** @param got the value as written */
function explainOne(error: ErrorObject, got: string): OptionProblem {
  const path = pathOf(error.instancePath);
  const at = (message: string, atKey = false, where: YamlPath = path): OptionProblem => ({
    path: where,
    atKey,
    message,
  });
  const name = path.length > 0 ? `\`${path.join(".")}\`` : "this";
  const schema = error.parentSchema as JsonSchema;
  if (schema["x-unit"]) return at(`${name} is ${got}; it must be ${UNIT_FORMS[schema["x-unit"]]}`);
  switch (error.keyword) {
    case "additionalProperties": {
      const key = String(error.params.additionalProperty);
      const known = Object.keys(schema.properties ?? {});
      return at(`unknown option \`${[...path, key].join(".")}\`; ${hint(key, known)}`, true, [...path, key]);
    }
    case "required": {
      const key = String(error.params.missingProperty);
      const description = schema.properties?.[key]?.description;
      return at(`\`${[...path, key].join(".")}\` is missing${description ? `: ${description}` : ""}`);
    }
    case "anyOf": {
      const allowed = (schema.anyOf ?? []).map((form) =>
        "const" in form ? String(form.const) : article(form.type ?? "…"),
      );
      const near = nearest(String(error.data), allowed);
      return at(
        `${name} is ${got}; ${near ? `did you mean \`${near}\`? (` : ""}allowed: ${allowed.join(", ")}${near ? ")" : ""}`,
      );
    }
    case "type":
      return at(`${name} is ${got}; it must be ${article(String(error.params.type))}`);
    case "minimum":
    case "maximum":
    case "exclusiveMinimum":
    case "exclusiveMaximum":
      return at(
        `${name} is ${got}; it must be ${error.params.comparison} ${error.params.limit}${range(schema)}`,
      );
    case "pattern": {
      const [example] = (schema.examples ?? []) as unknown[];
      const form = example === undefined ? schema.description : `it is written as in ${String(example)}`;
      return at(`${name} is ${got}; ${form}`);
    }
    default:
      return at(`${name} is ${got}; it ${error.message ?? "does not fit"}`);
  }
}

function range({ minimum, maximum }: JsonSchema): string {
  return minimum !== undefined && maximum !== undefined ? ` (${minimum} to ${maximum})` : "";
}

function article(type: string): string {
  const names: Record<string, string> = {
    integer: "a whole number",
    number: "a number",
    boolean: "true or false",
    string: "a text",
    object: "a mapping (key: value)",
    array: "a list",
  };
  return names[type] ?? type;
}

/** A value as a reader of the file knows it, cut short, without the passwords of its URLs. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return "empty";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value); // JSON has no such numbers
  const hidden = (key: string, inner: unknown) => (isSecret(key) ? "***" : inner);
  const text = redact(JSON.stringify(value, hidden) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** What names a file rather than something that comes with the package. */
const PATH_LIKE = /[\\/]|^\.|\.xml$/;

function convert(schema: JsonSchema, value: unknown, folderAt: FolderAt, path: YamlPath): unknown {
  if (value === undefined) return undefined;
  if (schema["x-unit"]) return convertUnit(schema["x-unit"], value, () => folderAt(path));
  if (schema["x-path"] && typeof value === "string" && PATH_LIKE.test(value))
    return resolve(folderAt(path), value);
  if (schema.properties && typeof value === "object" && value !== null) {
    const result: Record<string, unknown> = { ...value };
    for (const [key, property] of Object.entries(schema.properties)) {
      const item = result[key] ?? property.default;
      if (item !== undefined) result[key] = convert(property, item, folderAt, [...path, key]);
    }
    return result;
  }
  if (schema.items && Array.isArray(value)) {
    const { items } = schema;
    return value.map((item, i) => convert(items, item, folderAt, [...path, i]));
  }
  return value;
}

function convertUnit(unit: Unit, value: unknown, folder: () => string): unknown {
  switch (unit) {
    case "duration":
      return parseDuration(value);
    case "length":
      return parseLength(value);
    case "size":
      return parseSize(value);
    case "bytes":
      return parseBytes(value);
    case "rate":
      return parseRate(value);
    case "path": {
      const path = String(value);
      const elsewhere = path === "-" || isAbsolute(path) || isUrl(path);
      return elsewhere ? path : resolve(folder(), path);
    }
  }
}
