// Generates, from the event's schema, the code that checks it, replacing the module that has ajv do this at run time,
// and types whose fields editors explain.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { _, Ajv } from "ajv";
import standalone from "ajv/dist/standalone/index.js";
import { build } from "esbuild";
import type { TObject, TSchema } from "typebox";
import { EmotionData, EmotionEvent } from "../src/events/event.js";
import { OPTIONS, SCHEMA } from "../src/events/validator.js";

const OUT = "dist/events/validator.js";

const ajv = new Ajv({ ...OPTIONS, code: { source: true, esm: true, formats: _`formats` } });
ajv.addSchema(SCHEMA, "event");
const code = standalone.default(ajv, { validate: "event" });
await build({
  stdin: {
    contents: `import { isTime } from "./time.js"; const formats = { "date-time": isTime };${code}`,
    resolveDir: "dist/events",
  },
  outfile: OUT,
  bundle: true,
  minify: true,
  external: ["./time.js"],
  target: "es2022",
  format: "esm",
  banner: {
    js: `/* This file holds parts of ajv.\n${readFileSync("node_modules/ajv/LICENSE", "utf8").trim()} */`,
  },
  allowOverwrite: true,
  logLevel: "warning",
});
rmSync(`${OUT}.map`, { force: true });

interface Described extends TSchema {
  readonly type?: string;
  readonly description?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Described[];
  readonly patternProperties?: Readonly<Record<string, Described>>;
}

function typeOf(schema: Described): string {
  if (schema === EmotionData) return "EmotionData";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" | ");
  const [values] = Object.values(schema.patternProperties ?? {});
  if (values) return `Record<string, ${typeOf(values)}>`;
  if (schema.type === "object") return fieldsOf(schema as TObject);
  return schema.type === "integer" ? "number" : (schema.type ?? "unknown");
}

function fieldsOf({ properties, required }: TObject): string {
  const fields = Object.entries<Described>(properties).map(([name, field]) => {
    const comment = field.description ? `/** ${field.description} */\n` : "";
    return `${comment}${name}${required.includes(name) ? "" : "?"}: ${typeOf(field)};\n`;
  });
  return `{\n${fields.join("")}}`;
}

const TYPES = "dist/events/event.d.ts";
let types = readFileSync(TYPES, "utf8");
for (const [name, schema] of Object.entries<TObject>({ EmotionData, EmotionEvent }))
  types = types.replace(`= Static<typeof ${name}>;`, () => `= ${fieldsOf(schema)};`);
writeFileSync(TYPES, types);
