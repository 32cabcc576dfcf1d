import type { Component } from "./component.js";
import { type JsonSchema, optionsSchema } from "./options.js";

/** The JSON Schema of pipeline files, for completion and help in editors; `pipeline validate` checks more. */
export function pipelineSchema(registry: readonly Component[]): JsonSchema {
  const items = (role: Component["role"]): JsonSchema => {
    const components = registry.filter((component) => component.role === role);
    return {
      type: "array",
      items: {
        type: "object",
        required: ["type"],
        properties: { type: { enum: components.map(({ type }) => type) } },
        allOf: components.map((component) => ({
          // Without `required`, an item that has no type yet would be of every type.
          if: { required: ["type"], properties: { type: { const: component.type } } },
          // biome-ignore lint/suspicious/noThenProperty: JSON Schema's own word
          then: itemSchema(component),
        })),
      },
    };
  };
  const text = (description: string): JsonSchema => ({ type: "string", description });
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Ekspresi pipeline",
    type: "object",
    required: ["version", "sources", "sinks"],
    additionalProperties: false,
    properties: {
      version: { const: 1, description: "Version of the language." },
      name: text("Name of the pipeline in events. Default: the file name."),
      purpose: text("Why the data is collected; written into every event."),
      retention: text("How long the data may be kept; written into every event."),
      sources: { ...items("source"), minItems: 1, description: "Where frames come from." },
      operators: { ...items("operator"), description: "How frames are processed, from top to bottom." },
      sinks: { ...items("sink"), minItems: 1, description: "Where results go." },
    },
  };
}

function itemSchema(component: Component): JsonSchema {
  const options = optionsSchema(component);
  const from: JsonSchema = {
    description: "Ids of its inputs. Default: the component above it.",
    anyOf: [...ID, { type: "array", items: { anyOf: ID }, minItems: 1 }],
  };
  return {
    description: component.summary,
    properties: {
      type: { const: component.type, description: component.summary },
      id: { anyOf: ID, description: "Name in the graph. Default: its type." },
      ...(component.role !== "source" && { from }),
      ...Object.fromEntries(
        Object.entries(options.properties ?? {}).map(([name, schema]) => [name, orVariable(schema)]),
      ),
    },
    required: ["type", ...((options.required as string[] | undefined) ?? [])],
    additionalProperties: false,
  };
}

/** A number without quotes is a name, too. */
const ID: JsonSchema[] = [{ type: "string" }, { type: "number" }];

/** Any text: the loader then takes a number, too. */
const isText = (form: JsonSchema) =>
  form["x-unit"] === "path" || (form.type === "string" && form.pattern === undefined && !("const" in form));

/** Also allows a `${VARIABLE}` for any value. */
function orVariable(schema: JsonSchema): JsonSchema {
  const { description, default: usual, examples, ...rest } = schema;
  if (rest.properties)
    rest.properties = Object.fromEntries(
      Object.entries(rest.properties).map(([name, own]) => [name, orVariable(own)]),
    );
  if (rest.items) rest.items = orVariable(rest.items);
  const forms = rest.anyOf && !rest["x-unit"] ? rest.anyOf : [rest];
  return {
    ...(description !== undefined && { description }),
    ...(usual !== undefined && { default: usual }),
    ...(examples !== undefined && { examples }),
    anyOf: [...forms, forms.some(isText) ? { type: "number" } : { type: "string", pattern: "\\$\\{" }],
  };
}
