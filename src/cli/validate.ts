import type { Command } from "commander";
import { ConfigError, messageOf } from "../errors.js";
import { collect } from "./collect.js";

export function register(program: Command): void {
  program
    .command("validate")
    .description("Checks pipeline files and says what is wrong, with line and column.")
    .argument("<files...>", "pipeline files")
    .option("--set <path=value>", "overrides a value of the file (repeatable)", collect, [])
    .addHelpText(
      "after",
      "\nExamples:\n  $ pipeline validate pipelines/*.yaml\n  $ pipeline validate door.yaml --set sources.0.url=rtsp://10.0.0.7/1",
    )
    .action(async (files: string[], { set }: { set: string[] }) => {
      const { loadPipeline } = await import("../pipeline/load.js");
      const wrong: string[] = [];
      for (const file of files) {
        try {
          const { nodes } = await loadPipeline(file, { set });
          process.stdout.write(`${file}: fine, ${nodes.length} components\n`);
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error;
          wrong.push(messageOf(error));
        }
      }
      if (wrong.length > 0) throw new ConfigError("CONFIG", wrong.join("\n"));
    });
}
