import { EmotionData, EmotionEvent } from "#src/events/event.js";
import type { JsonSchema } from "#src/pipeline/options.js";
import { fieldsOf, table } from "./fields.js";

/** The reference of events. */
export function eventsPage(): string {
  const rows = (schema: JsonSchema) => {
    const required = (name: string) =>
      ((schema.required as string[] | undefined) ?? []).includes(name.split(".")[0] ?? "");
    return fieldsOf(schema).map(({ name, type, text }) => [
      name,
      type,
      required(name.replaceAll("`", "")) ? "always" : "where set",
      text,
    ]);
  };
  const envelope = JSON.parse(JSON.stringify(EmotionEvent)) as JsonSchema;
  delete envelope.properties?.data;
  const data = JSON.parse(JSON.stringify(EmotionData)) as JsonSchema;
  return `# Events

Generated from the code by \`npm run docs\`. The same as a JSON Schema: \`schema/event.schema.json\`.

Every event is a [CloudEvents 1.0](https://cloudevents.io) event in JSON: one line of a \`jsonl\` sink. No event holds a
picture.

${table(["field", "value", "present", ""], rows(envelope))}

In \`data\`:

${table(["field", "value", "present", ""], rows(data))}
`;
}
