import type { TSchema } from "typebox";
import { SweepDefinition } from "#src/model/sweep/index.js";
import { Recipe } from "#src/model/training/index.js";
import type { JsonSchema } from "#src/pipeline/options.js";
import { fieldsOf, table } from "./fields.js";

/** The reference of what `pipeline train` and `pipeline sweep` read. */
export function recipesPage(): string {
  return `# Recipes and sweeps

Generated from the code by \`npm run docs\`. Guide: [Train a model on your own pictures](../training.md).

## Recipes

What \`pipeline train\` reads. Paths are relative to the recipe, those given by \`--set\` to the working directory.

${optionsTable(Recipe)}

## Sweeps

What \`pipeline sweep\` reads.

${optionsTable(SweepDefinition)}
`;
}

function optionsTable(schema: TSchema): string {
  const fields = fieldsOf(JSON.parse(JSON.stringify(schema)) as JsonSchema);
  return table(
    ["option", "value", "default", ""],
    fields
      .filter(({ type, text }) => type !== "mapping" || text !== "")
      .map(({ name, type, usual, text }) => [name, type, usual, text]),
  );
}
