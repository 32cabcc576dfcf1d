#!/usr/bin/env node
import { readFileSync, realpathSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { Command, CommanderError, Help } from "commander";
import { diskReason } from "../disk.js";
import { ConfigError, EkspresiError, messageOf } from "../errors.js";
import { readerHasGone } from "../sinks/output.js";
import * as annotate from "./annotate.js";
import * as completion from "./completion.js";
import * as doctor from "./doctor.js";
import * as evaluate from "./evaluate.js";
import * as events from "./events.js";
import * as graph from "./graph.js";
import { noCommand } from "./groups.js";
import * as jobs from "./jobs.js";
import { createLog } from "./log.js";
import * as models from "./models.js";
import * as report from "./report.js";
import * as run from "./run.js";
import * as schema from "./schema.js";
import * as submit from "./submit.js";
import * as sweep from "./sweep.js";
import { printable, wrapLines } from "./terminal.js";
import * as train from "./train.js";
import * as validate from "./validate.js";
import * as worker from "./worker.js";

/** In the order of the help. */
const VERBS = [
  run,
  annotate,
  report,
  events,
  validate,
  graph,
  schema,
  train,
  evaluate,
  sweep,
  models,
  worker,
  submit,
  jobs,
  doctor,
  completion,
];

/** Exit codes: 0 success, 1 a run failed, 2 the configuration or usage is wrong. */
const USAGE = 2;

/** The whole command line. Exported for the reference and shell completion. */
export function createProgram(): Command {
  const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
    version: string;
  };
  const program = new Command("pipeline")
    .description("Facial-expression analytics for live and recorded video.")
    .version(version)
    .showSuggestionAfterError()
    .showHelpAfterError("(see --help)")
    .configureHelp({
      // The empty default of a repeatable option is not worth showing.
      optionDescription: (option) =>
        new Help().optionDescription(option).replace(/ \(default: \[\]\)|, default: \[\]/, ""),
    })
    .configureOutput({
      writeOut: (text) => {
        process.stdout.write(wrapLines(text, process.stdout.columns));
      },
    })
    .exitOverride()
    .addHelpText(
      "after",
      `
Examples:
  $ pipeline run pipelines/webcam.yaml
  $ pipeline run pipelines/recording.yaml --set sources.0.path=lobby.mp4
  $ pipeline annotate lobby.mp4
  $ pipeline report out/lobby.jsonl -o lobby.html
  $ pipeline validate lobby.yaml
  $ pipeline doctor`,
    );
  for (const verb of VERBS) verb.register(program);
  program.helpCommand(false).addCommand(helpCommand(program));
  return program;
}

/** Replaces Commander's own, which ignores an unknown command. */
function helpCommand(program: Command): Command {
  return new Command("help")
    .description("display help for command")
    .argument("[command...]", "name of the command; for a command in a group, both names")
    .action((names: readonly string[]) => {
      let command = program;
      for (const name of names) {
        const next = command.commands.find((own) => own.name() === name);
        if (!next) throw noCommand(command, name);
        command = next;
      }
      command.outputHelp();
    });
}

/** Runs a command line and sets the process's exit code. */
async function main(argv: readonly string[]): Promise<void> {
  process.stdout.on("error", onPipeError);
  // A log that nobody reads any more, or that a full disk no longer takes, must not end a run.
  process.stderr.on("error", () => {});
  try {
    const program = createProgram();
    if (argv.length <= 2) {
      program.outputHelp({ error: true });
      process.exitCode = USAGE;
      return;
    }
    await program.parseAsync(argv);
  } catch (error) {
    process.exitCode = tell(error, LOGGING.includes(argv[2] ?? "") && argv.includes("--json"));
  }
}

/** Verbs whose `--json` selects a JSON lines log. */
const LOGGING = ["run", "annotate", "worker"];

/** Reports an error in one line and returns its exit code. */
function tell(error: unknown, json: boolean): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE; // commander has printed it
  if (json) createLog({ quiet: true, json, around: (say) => say() }).error(messageOf(error));
  else process.stderr.write(`${printable(messageOf(error))}\n`);
  if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else if (!(error instanceof EkspresiError))
    process.stderr.write("This is a bug; run with DEBUG=1 for details.\n");
  return error instanceof ConfigError ? USAGE : 1;
}

/** A closed pipe (`| head`) is not an error for a verb that prints; sinks handle their own. */
function onPipeError(error: NodeJS.ErrnoException): void {
  if (readerHasGone(error)) return;
  if (process.exitCode === undefined)
    process.stderr.write(`cannot write to standard output: ${diskReason(error)}\n`);
  process.exitCode = 1;
}

// Does nothing when imported by tests or the reference generator.
if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href)
  await main(process.argv);
