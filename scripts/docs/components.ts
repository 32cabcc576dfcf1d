import type { Component } from "#src/pipeline/component.js";
import { optionsSchema } from "#src/pipeline/options.js";
import { fieldsOf, table } from "./fields.js";

const INTRODUCTION = `# Components

Generated from the code by \`npm run docs\`.

A pipeline file is YAML:

\`\`\`yaml
# yaml-language-server: $schema=../schema/pipeline.schema.json
version: 1
name: lobby
sources:
  - { id: door, type: file, path: "\${VIDEO:-door.mp4}" }
operators:
  - { type: detect, minSize: 8% }
  - { type: track }
  - { type: classify }
  - { type: events }
sinks:
  - { type: jsonl, path: out/lobby.jsonl }
\`\`\`

Keys: \`version\` (1), \`name\` (default: the file's name), \`purpose\` and \`retention\` (written into every event),
\`sources\` and \`sinks\` (at least one each), \`operators\`.

**How components connect.** Frames, faces and events flow between components; each component takes one kind. Without
\`from\`
- an operator takes what the operator above it gives; the first operator takes all sources;
- a sink takes the end of every chain that gives what it takes; if there is none, the last operator that does.

\`id\` names a component (default: its type; the second one of a type is \`type-2\`), and \`from: [ids]\` makes any other
graph: one component may feed several, and several may feed one. Cycles are not allowed, and every output must be used.

**Variables.** \`\${NAME}\` is replaced by the environment variable; \`\${NAME:-value}\` gives a default if it is empty or
not set, in which \`\\}\` is a literal \`}\`; \`$\${\` is a literal \`\${\`. A value that consists of one variable may become a
number, \`true\` or \`false\`.

**Overrides.** \`--set sources.0.path=lobby.mp4\`, or by id \`--set sources.door.path=lobby.mp4\`. The value is read as YAML.

**Units.** \`400ms\`, \`2s\`, \`5m\`, \`1h\`, \`1d\`; \`80px\`, \`8%\` of the frame's smaller side; \`1280x720\`; \`10MB\`, \`1GiB\`.
Bare numbers mean milliseconds, pixels and bytes. Paths are relative to the pipeline file.
`;

/** The reference of every component. */
export function componentsPage(registry: readonly Component[]): string {
  const roles = { source: "Sources", operator: "Operators", sink: "Sinks" } as const;
  const parts = (Object.keys(roles) as (keyof typeof roles)[]).map((role) => {
    const components = registry.filter((component) => component.role === role);
    return [`## ${roles[role]}\n`, ...components.map(section)].join("\n");
  });
  return `${[INTRODUCTION, ...parts].join("\n").trimEnd()}\n`;
}

function section(component: Component): string {
  const flow = [
    component.role !== "source" && `takes ${component.takes}`,
    component.role === "sink" && component.also && `and ${component.also} where there are any`,
    component.role !== "sink" && `gives ${component.gives}`,
    component.colour && "its sources carry colour",
    component.role !== "source" &&
      component.needs &&
      `needs ${component.needs.map((n) => `\`${n}\``).join(" and ")} before it`,
  ].filter((part) => typeof part === "string");
  const fields = fieldsOf(optionsSchema(component));
  const rows = fields.map(({ name, type, usual, text }) => [name, type, usual, text]);
  return [
    `### \`${component.type}\`\n`,
    `${component.summary} *(${flow.join("; ")})*\n`,
    ...(component.description ? [`${component.description}\n`] : []),
    `\`\`\`yaml\n${component.example.trim()}\n\`\`\`\n`,
    rows.length > 0 ? `${table(["option", "value", "default", ""], rows)}\n` : "No options.\n",
  ].join("\n");
}
