import { type Command, Option } from "commander";
import { collect } from "./collect.js";

export function register(program: Command): void {
  program
    .command("graph")
    .description("Prints the graph of a pipeline.")
    .argument("<file>", "pipeline file")
    .addOption(
      new Option("--format <format>", "output language").choices(["mermaid", "dot"]).default("mermaid"),
    )
    .option("--set <path=value>", "overrides a value in the file (repeatable)", collect, [])
    .addHelpText(
      "after",
      "\nExamples:\n  $ pipeline graph door.yaml\n  $ pipeline graph door.yaml --format dot | dot -Tsvg > door.svg",
    )
    .action(async (file: string, { format, set }: { format: string; set: string[] }) => {
      const [{ loadPipeline }, { toDot, toMermaid }] = await Promise.all([
        import("../pipeline/load.js"),
        import("../pipeline/graph.js"),
      ]);
      const plan = await loadPipeline(file, { set, setDir: process.cwd() });
      process.stdout.write(format === "dot" ? toDot(plan) : toMermaid(plan));
    });
}
