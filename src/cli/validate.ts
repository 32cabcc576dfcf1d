import { access } from "node:fs/promises";
import type { Command } from "commander";
import { errorColours as pc } from "../colours.js";
import { ConfigError } from "../errors.js";
import type { Plan } from "../pipeline/plan.js";
import { plural } from "../text.js";
import { collect } from "./collect.js";
import { printable } from "./terminal.js";

interface Flags {
  readonly set: string[];
  readonly json?: boolean;
}

/** The result for one file. */
interface Verdict {
  readonly file: string;
  readonly ok: boolean;
  /** Number of components of a valid file. */
  readonly components?: number;
  /** One line each. */
  readonly errors: readonly string[];
  /** Options without effect, and missing files, which may exist where the pipeline runs. */
  readonly warnings: readonly string[];
}

export function register(program: Command): void {
  program
    .command("validate")
    .description("Checks pipeline files and reports every mistake with its line and column.")
    .argument("<files...>", "pipeline files")
    .option("--set <path=value>", "overrides a value in the file (repeatable)", collect, [])
    .option("--json", "prints one JSON list: file, ok, components, errors, warnings")
    .addHelpText(
      "after",
      `
Exits with 2 if a file is invalid. Missing recordings and models are reported but do not count as mistakes: they may
exist where the pipeline runs.

Examples:
  $ pipeline validate lobby.yaml
  $ DOOR_URL=rtsp://a HALL_URL=rtsp://b pipeline validate pipelines/*.yaml
  $ pipeline validate door.yaml --set sources.0.url=rtsp://10.0.0.7/1
  $ pipeline validate --json door.yaml | jq -r '.[].errors[]'`,
    )
    .action(async (files: string[], { set, json }: Flags) => {
      const verdicts: Verdict[] = [];
      for (const file of files) verdicts.push(await judge(file, set));
      if (json) process.stdout.write(`${JSON.stringify(verdicts, null, 2)}\n`);
      else
        for (const { file, ok, components = 0, warnings } of verdicts) {
          if (ok) process.stdout.write(printable(`${file}: ok, ${plural(components, "component")}\n`));
          for (const warning of warnings)
            process.stderr.write(`${pc.yellow("warning")}: ${printable(warning)}\n`);
        }
      const wrong = verdicts.filter(({ ok }) => !ok);
      if (wrong.length === 0) return;
      if (!json) throw new ConfigError("CONFIG", wrong.flatMap(({ errors }) => errors).join("\n"));
      process.exitCode = 2;
    });
}

async function judge(file: string, set: readonly string[]): Promise<Verdict> {
  const { loadPipeline } = await import("../pipeline/load.js");
  try {
    const plan = await loadPipeline(file, { set, setDir: process.cwd() });
    const warnings = [...plan.warnings, ...(await missing(plan))];
    return { file, ok: true, components: plan.nodes.length, errors: [], warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { file, ok: false, errors: error.message.split("\n"), warnings: [] };
  }
}

/** Warnings for missing input files. */
async function missing({ nodes }: Plan): Promise<string[]> {
  const { pathsOf } = await import("../pipeline/paths.js");
  const { placeText } = await import("../pipeline/yaml.js");
  const { isGlob } = await import("../media/glob.js");
  const { isUrl } = await import("../media/url.js");
  const warnings: string[] = [];
  for (const node of nodes) {
    for (const { path, written } of pathsOf(node)) {
      if (written || path === "-" || isUrl(path) || isGlob(path)) continue;
      const there = await access(path).then(
        () => true,
        () => false,
      );
      if (!there) warnings.push(`${placeText(node.place)}: ${node.component.type}: ${path} not found`);
    }
  }
  return warnings;
}
