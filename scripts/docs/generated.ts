import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createProgram } from "#src/cli/main.js";
import { EmotionEvent } from "#src/events/event.js";
import { pipelineSchema } from "#src/pipeline/schema.js";
import { registry } from "#src/registry.js";
import { asyncapi, open } from "./asyncapi.js";
import { cliPage } from "./cli.js";
import { componentsPage } from "./components.js";
import { eventsPage } from "./events.js";
import { metricsPage } from "./metrics.js";
import { recipesPage } from "./recipes.js";

/** Every generated file in the repository: absolute path and text. */
export function generated(root: string): [path: string, text: string][] {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  return [
    [join(root, "docs/reference/components.md"), componentsPage(registry)],
    [join(root, "docs/reference/cli.md"), cliPage(createProgram())],
    [join(root, "docs/reference/events.md"), eventsPage()],
    [join(root, "docs/reference/metrics.md"), metricsPage()],
    [join(root, "docs/reference/recipes.md"), recipesPage()],
    [join(root, "schema/pipeline.schema.json"), `${JSON.stringify(pipelineSchema(registry), null, 2)}\n`],
    [join(root, "schema/asyncapi.json"), `${JSON.stringify(asyncapi(version), null, 2)}\n`],
    [join(root, "schema/event.schema.json"), `${JSON.stringify(eventSchema(), null, 2)}\n`],
  ];
}

function eventSchema(): object {
  const $schema = "http://json-schema.org/draft-07/schema#"; // as of the pipeline's
  return { $schema, ...(open(EmotionEvent) as object) };
}
