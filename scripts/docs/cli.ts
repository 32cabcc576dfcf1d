import type { Command } from "commander";

/** The reference of every command: its own help, 100 columns wide. */
export function cliPage(program: Command): string {
  const verbs = program.commands.flatMap((verb) => [verb, ...verb.commands]);
  const sections = [program, ...verbs].map(
    (command) => `## ${titleOf(command)}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`,
  );
  return `# Command line\n\nGenerated from the code by \`npm run docs\`.\n\n${sections.join("\n")}`;
}

function titleOf(command: Command): string {
  const names: string[] = [];
  for (let at: Command | null = command; at; at = at.parent) names.unshift(at.name());
  return `\`${names.join(" ")}\``;
}

/** What --help prints, including the texts after the options. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trim();
}
