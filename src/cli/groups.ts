import type { Command } from "commander";
import { ConfigError } from "../errors.js";
import { hint } from "../pipeline/nearest.js";

/** For the command that a group takes for granted: a word that comes to it is no argument but a misspelt command. */
export function refuseUnknown(group: Command, { args: [word] }: Command): void {
  if (word === undefined) return;
  throw noCommand(group, word);
}

/** What a group of commands says of a word that names none. */
export function noCommand(group: Command, word: string): ConfigError {
  const names = group.commands.map((command) => command.name());
  return new ConfigError("USAGE", `${group.name()}: there is no command \`${word}\`; ${hint(word, names)}`);
}
