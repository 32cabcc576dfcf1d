import type { Command } from "commander";
import { ConfigError } from "../errors.js";
import { hint } from "../pipeline/nearest.js";

/** For a group's default command: an argument it receives is a misspelt subcommand. */
export function refuseUnknown(group: Command, { args: [word] }: Command): void {
  if (word === undefined) return;
  throw noCommand(group, word);
}

/** The error for an unknown command of a group. */
export function noCommand(group: Command, word: string): ConfigError {
  const names = group.commands.map((command) => command.name());
  return new ConfigError("USAGE", `${group.name()}: unknown command \`${word}\`; ${hint(word, names)}`);
}
