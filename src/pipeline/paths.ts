import { isAbsolute } from "node:path";
import { type JsonSchema, optionsSchema } from "./options.js";
import type { PlannedNode } from "./plan.js";

/** Option values that are paths, at any depth; relative ones became absolute when the file was read. */
export function pathsOf({ component, options }: PlannedNode): string[] {
  const collect = (schema: JsonSchema, value: unknown): string[] => {
    if (typeof value === "string") {
      if (schema["x-unit"] === "path") return [value];
      // A shipped name, or a path.
      return schema["x-path"] === true && isAbsolute(value) ? [value] : [];
    }
    if (Array.isArray(value))
      return value.flatMap((item) => (schema.items ? collect(schema.items, item) : []));
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, item]) => {
      const property = schema.properties?.[key];
      return property ? collect(property, item) : [];
    });
  };
  return collect(optionsSchema(component), options);
}
