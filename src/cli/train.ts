import type { Command } from "commander";
import { collect } from "./collect.js";
import { redrawn } from "./redrawn.js";
import { threadsOf } from "./threads.js";

interface Flags {
  readonly out?: string;
  readonly resume?: boolean;
  readonly set: string[];
  readonly epochs?: string;
  readonly seed?: string;
  readonly threads: string;
  readonly quiet?: boolean;
}

export function register(program: Command): void {
  program
    .command("train")
    .description("Trains a model as a recipe says.")
    .argument("<recipe>", "recipe file")
    .option("--out <folder>", "where checkpoint, history and model go (default: runs/<name>)")
    .option("--resume", "goes on where the folder's checkpoint stands, to the same figures")
    .option("--set <path=value>", "overrides a value of the recipe (repeatable)", collect, [])
    .option("--epochs <n>", "short for --set epochs=n")
    .option("--seed <n>", "short for --set seed=n")
    .option("--threads <n>", "threads of the network; no more than there are cores", "2")
    .option("-q, --quiet", "says only what goes wrong")
    .addHelpText(
      "after",
      `
Ctrl-C saves and stops (exit code 0); --resume goes on from there. A second Ctrl-C stops at once (130).

Examples:
  $ pipeline train recipes/fer2013-small.yaml --set data.path=fer2013.csv
  $ pipeline train recipes/fer2013-small.yaml --set data.path=fer2013.csv --resume
  $ pipeline evaluate runs/fer2013-small/model --data fer2013.csv`,
    )
    .action(run);
}

async function run(file: string, flags: Flags): Promise<void> {
  const [{ loadRecipe }, { train }, { readDataset }, { createLog }, { TrainingView }] = await Promise.all([
    import("./recipe.js"),
    import("../model/training/index.js"),
    import("../model/data/index.js"),
    import("./log.js"),
    import("./training-view.js"),
  ]);
  const short = (["epochs", "seed"] as const).flatMap((name) =>
    flags[name] === undefined ? [] : [`${name}=${flags[name]}`],
  );
  const recipe = await loadRecipe(file, [...flags.set, ...short]);
  const threads = threadsOf(flags.threads);
  const out = flags.out ?? `runs/${recipe.name}`;
  const view = new TrainingView(!flags.quiet, await redrawn());
  const log = createLog({ quiet: flags.quiet ?? false, json: false, around: (say) => view.above(say) });
  const dataset = await readDataset(recipe.data, log);
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    log.info("stopping: this batch is finished and saved (once more to stop at once)");
    stop.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    const result = await train(recipe, dataset, {
      out,
      threads,
      resume: flags.resume ?? false,
      signal: stop.signal,
      onStep: (report) => view.step(report),
      onEpoch: (report) => view.above(() => view.epoch(report, recipe.epochs)),
    });
    view.end();
    log.info(
      result.finished
        ? `${result.epochs} epochs; the model is in ${result.model}`
        : `saved in ${out} after ${result.epochs} whole epochs; the same command with --resume goes on`,
    );
  } finally {
    view.end();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
