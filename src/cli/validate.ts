import type { Command } from "commander";
import { ConfigError } from "../errors.js";
import { plural } from "../text.js";
import { collect } from "./collect.js";

interface Flags {
  readonly set: string[];
  readonly json?: boolean;
}

/** What is told of a file. */
interface Verdict {
  readonly file: string;
  readonly ok: boolean;
  /** Components of a file that is fine. */
  readonly components?: number;
  /** One line each. */
  readonly errors: readonly string[];
}

export function register(program: Command): void {
  program
    .command("validate")
    .description("Checks pipeline files and says what is wrong, with line and column.")
    .argument("<files...>", "pipeline files")
    .option("--set <path=value>", "overrides a value of the file (repeatable)", collect, [])
    .option("--json", "prints one JSON list: file, ok, components, errors")
    .addHelpText(
      "after",
      `
Exits with 2 when a file is wrong.

Examples:
  $ pipeline validate pipelines/*.yaml
  $ pipeline validate door.yaml --set sources.0.url=rtsp://10.0.0.7/1
  $ pipeline validate --json door.yaml | jq -r '.[].errors[]'`,
    )
    .action(async (files: string[], { set, json }: Flags) => {
      const verdicts: Verdict[] = [];
      for (const file of files) verdicts.push(await judge(file, set));
      if (json) process.stdout.write(`${JSON.stringify(verdicts, null, 2)}\n`);
      else
        for (const { file, ok, components = 0 } of verdicts)
          if (ok) process.stdout.write(`${file}: fine, ${plural(components, "component")}\n`);
      const wrong = verdicts.filter(({ ok }) => !ok);
      if (wrong.length === 0) return;
      if (!json) throw new ConfigError("CONFIG", wrong.flatMap(({ errors }) => errors).join("\n"));
      process.exitCode = 2;
    });
}

async function judge(file: string, set: readonly string[]): Promise<Verdict> {
  const { loadPipeline } = await import("../pipeline/load.js");
  try {
    const { nodes } = await loadPipeline(file, { set });
    return { file, ok: true, components: nodes.length, errors: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file, ok: false, errors: error.message.split("\n") };
  }
}
