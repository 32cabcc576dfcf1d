import type { Command } from "commander";
import { outColours as pc } from "../colours.js";
import type { Check } from "../doctor/index.js";
import { printable, wrap } from "./terminal.js";

export function register(program: Command): void {
  program
    .command("doctor")
    .description("Reports what is installed on this machine, what is missing, and how to get it.")
    .option("--json", "prints one JSON object")
    .addHelpText(
      "after",
      "\nExits with 1 only if something essential is missing.\n\nExamples:\n  $ pipeline doctor\n  $ NATS_URL=nats://broker:4222 pipeline doctor --json | jq '.checks[] | select(.state == \"missing\")'",
    )
    .action(async ({ json }: { json?: boolean }) => {
      const { examine, RESPONSIBLE_USE } = await import("../doctor/index.js");
      const checks = await examine();
      const ok = checks.every(({ state, required }) => state === "ok" || !required);
      process.stdout.write(
        json
          ? `${JSON.stringify({ ok, checks, responsibleUse: RESPONSIBLE_USE }, null, 2)}\n`
          : `${checks.map(line).join("\n")}\n\n${wrap(RESPONSIBLE_USE)}\n`,
      );
      if (!ok) process.exitCode = 1;
    });
}

function line({ name, state, required, detail, help }: Check): string {
  const mark = state === "ok" ? pc.green("ok     ") : required ? pc.red("MISSING") : pc.yellow("absent ");
  return `${mark}  ${pc.bold(name)}: ${printable(detail)}${help ? `\n         ${pc.dim(`-> ${help}`)}` : ""}`;
}
