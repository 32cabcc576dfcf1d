import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { ConfigError } from "../errors.js";
import type { TrainResult } from "../model/training/index.js";
import { plural } from "../text.js";
import { collect } from "./collect.js";
import { redrawn } from "./redrawn.js";
import { SAVING, Signals } from "./signals.js";
import { TRAINING_THREADS_HELP, threadsOf } from "./threads.js";
import { TrainingView } from "./training-view.js";
import { checkFolder } from "./writable.js";

interface Flags {
  readonly out?: string;
  readonly resume?: boolean;
  readonly force?: boolean;
  readonly set: string[];
  readonly epochs?: string;
  readonly seed?: string;
  readonly threads?: string;
  readonly quiet?: boolean;
}

export function register(program: Command): void {
  program
    .command("train")
    .description("Trains a model from a recipe.")
    .argument("<recipe>", "recipe file")
    .option("-o, --out <folder>", "folder for checkpoint, history and model (default: runs/<name>)")
    .option("--resume", "continues from the checkpoint in the folder, with identical results")
    .option(
      "--force",
      "starts over if the folder holds a run; its model is kept until the new one is written",
    )
    .option("--set <path=value>", "overrides a value in the recipe (repeatable)", collect, [])
    .option("--epochs <n>", "short for --set epochs=n")
    .option("--seed <n>", "short for --set seed=n")
    .option("--threads <n>", TRAINING_THREADS_HELP)
    .option("-q, --quiet", "prints only warnings and errors")
    .addHelpText(
      "after",
      `
Ctrl-C saves and stops; --resume continues from there. A second Ctrl-C stops at once.
Exit codes: 0 finished or saved, 1 the data is damaged or the training failed, 2 wrong recipe or usage,
130 stopped at once.

Examples:
  $ pipeline train recipes/fer2013-small.yaml --set data.path=fer2013.csv
  $ pipeline train recipes/fer2013-small.yaml --set data.path=fer2013.csv --resume
  $ pipeline evaluate runs/fer2013-small/model --data fer2013.csv`,
    )
    .action(run);
}

async function run(file: string, flags: Flags): Promise<void> {
  const threads = threadsOf(flags.threads, Number.POSITIVE_INFINITY);
  const [{ checkSources, loadRecipe }, { train }, { readDataset }, { createLog }] = await Promise.all([
    import("./recipe.js"),
    import("../model/training/index.js"),
    import("../model/data/index.js"),
    import("./log.js"),
  ]);
  const short = (["epochs", "seed"] as const).flatMap((name) =>
    flags[name] === undefined ? [] : [`${name}=${flags[name]}`],
  );
  const recipe = await loadRecipe(file, [...flags.set, ...short]);
  const out = flags.out ?? `runs/${recipe.name}`;
  await checkOut(out, flags);
  await checkSources(recipe);
  const view = new TrainingView(!flags.quiet, await redrawn());
  const log = createLog({ quiet: flags.quiet ?? false, json: false, around: (say) => view.above(say) });
  const dataset = await readDataset(recipe.data, log, "raise `data.maxDamaged`");
  const signals = new Signals(SAVING);
  signals.say = (message) => log.info(message);
  signals.abort.addEventListener("abort", () => process.exit(130));
  try {
    const result = await train(recipe, dataset, {
      out,
      threads,
      resume: flags.resume ?? false,
      signal: signals.stop,
      onTaught: (done, of) => view.taught(done, of),
      onStep: (report) => view.step(report),
      onEpoch: (report) => view.above(() => view.epoch(report, recipe.epochs)),
    });
    view.end();
    log.info(outcome(result, out, recipe.keep));
  } finally {
    view.end();
    signals.end();
  }
}

function outcome(result: TrainResult, out: string, keep: "best" | "last"): string {
  const { finished, written, epochs, model, kept } = result;
  if (finished && !written) return `the run was already finished; its model in ${model} is unchanged`;
  const why = keep === "best" ? "lowest validation loss" : "last";
  if (finished) return `${plural(epochs, "epoch")}; the model of epoch ${kept} (${why}) is in ${model}`;
  if (!written) return "stopped before training started; nothing was written";
  return `saved in ${out} after ${plural(epochs, "complete epoch")}; resume with --resume`;
}

/** Checks that the flags match the folder's contents, before the data is read. */
async function checkOut(out: string, { resume, force }: Flags): Promise<void> {
  const begun = existsSync(join(out, "checkpoint.bin"));
  if (resume && force)
    throw new ConfigError("USAGE", "--resume and --force cannot be combined; give one of them");
  if (resume && !begun)
    throw new ConfigError("TRAIN_OUT", `${out} holds no checkpoint to resume from; start without --resume`);
  if (!resume && !force && (begun || existsSync(join(out, "model"))))
    throw new ConfigError(
      "TRAIN_OUT",
      `${out} already holds a run; ${begun ? "resume it with --resume, " : ""}start over with --force, or choose another --out`,
    );
  await checkFolder("--out", out);
}
