import type { Command } from "commander";

export function register(program: Command): void {
  program
    .command("schema")
    .description("Prints the JSON Schema of pipeline files, for editors.")
    .addHelpText(
      "after",
      "\nExample:\n  $ pipeline schema > pipeline.schema.json\n  # and as the first line of a pipeline file:\n  # yaml-language-server: $schema=pipeline.schema.json",
    )
    .action(async () => {
      const [{ pipelineSchema }, { registry }] = await Promise.all([
        import("../pipeline/schema.js"),
        import("../registry.js"),
      ]);
      process.stdout.write(`${JSON.stringify(pipelineSchema(registry), null, 2)}\n`);
    });
}
