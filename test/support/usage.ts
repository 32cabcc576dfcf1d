import { Command } from "commander";
import * as jobs from "#src/cli/jobs.js";
import * as submit from "#src/cli/submit.js";
import * as worker from "#src/cli/worker.js";

/** Throws where a command line is not understood; runs nothing. */
export function checkUsage(args: readonly string[]): void {
  const program = new Command();
  for (const { register } of [worker, submit, jobs]) register(program);
  const prepare = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {} });
    if (command.commands.length === 0) command.action(() => {});
    command.commands.forEach(prepare);
  };
  prepare(program);
  program.parse([...args], { from: "user" });
}
