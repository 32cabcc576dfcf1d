import type { JsonSchema } from "#src/pipeline/options.js";

const UNITS: Record<string, string> = {
  duration: "duration (`400ms`, `2s`, `5m`, `1h`)",
  length: "length (`80px`, or `8%` of the frame's smaller side)",
  size: "size (`1280x720`)",
  bytes: "bytes (`500kB`, `10MB`, `1GiB`)",
  path: "path",
  rate: "rate (`15`, `29.97`, `30000/1001`)",
};

/** One field of a schema, as a row of a table. */
interface Field {
  readonly name: string;
  readonly type: string;
  readonly usual: string;
  readonly text: string;
}

/**
 * All fields of an object's schema, each followed by those of nested objects (`batch.size`) and of the objects in a
 * list (`steps[].vary`).
 *
 * @param within the optional field that all these belong to: only there are they required
 */
export function fieldsOf(schema: JsonSchema, prefix = "", within = ""): Field[] {
  const required = (schema.required as string[] | undefined) ?? [];
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = prefix + key;
    const usual =
      field.default !== undefined
        ? `\`${JSON.stringify(field.default)}\``
        : required.includes(key)
          ? `*required*${within && ` in \`${within}\``}`
          : "";
    return [
      { name: `\`${name}\``, type: typeText(field), usual, text: field.description ?? "" },
      ...fieldsOf(field, `${name}.`, required.includes(key) ? within : name),
      ...(field.items ? fieldsOf(field.items, `${name}[].`, name) : []),
    ];
  });
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${" --- |".repeat(head.length)}`, ...rows.map(line)].join("\n");
}

function typeText(schema: JsonSchema): string {
  const unit = schema["x-unit"];
  if (unit) return UNITS[unit] ?? unit;
  if ("const" in schema) return `\`${String(schema.const)}\``;
  if (schema.anyOf) return schema.anyOf.map(typeText).join(" or ");
  if (schema.type === "array") return `list of ${schema.items ? typeText(schema.items) : "values"}`;
  if (schema.type === "string") return schema.format === "date-time" ? "date and time" : "text";
  if (schema.type === "object") return isRecord(schema) ? "values by name" : "mapping";
  if (schema.type === "boolean") return "`true` or `false`";
  return `${schema.type === "integer" ? "whole number" : (schema.type ?? "any")}${limits(schema)}`;
}

/** Whether its keys are chosen by the user. */
function isRecord({ patternProperties }: JsonSchema): boolean {
  return patternProperties !== undefined;
}

function limits(schema: JsonSchema): string {
  const parts = [
    schema.minimum !== undefined && `>= ${String(schema.minimum)}`,
    schema.exclusiveMinimum !== undefined && `> ${String(schema.exclusiveMinimum)}`,
    schema.maximum !== undefined && `<= ${String(schema.maximum)}`,
    schema.exclusiveMaximum !== undefined && `< ${String(schema.exclusiveMaximum)}`,
  ].filter((part) => part !== false);
  return parts.length > 0 ? `, ${parts.join(", ")}` : "";
}
