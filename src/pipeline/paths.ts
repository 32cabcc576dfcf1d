import { isAbsolute } from "node:path";
import { type JsonSchema, optionsSchema } from "./options.js";
import type { PlannedNode } from "./plan.js";

/** A path among a component's options. */
export interface OptionPath {
  readonly path: string;
  /** Whether it is written to. */
  readonly written: boolean;
}

/** Option values that are paths, at any depth; relative ones became absolute when the file was read. */
export function pathsOf({ component, options }: PlannedNode): OptionPath[] {
  const collect = (schema: JsonSchema, value: unknown): OptionPath[] => {
    if (typeof value === "string") {
      const written = component.role === "sink" && schema["x-read"] !== true;
      if (schema["x-unit"] === "path") return [{ path: value, written }];
      // A shipped name, or a path.
      return schema["x-path"] === true && isAbsolute(value) ? [{ path: value, written }] : [];
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
