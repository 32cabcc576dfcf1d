import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { ConfigError, ModelError } from "../errors.js";
import type { Settings, SweepRecord, WorkLeft } from "../model/sweep/index.js";
import type { EpochReport, Recipe, StepReport } from "../model/training/index.js";
import type { Log } from "../pipeline/context.js";
import { replaceFile } from "../replace-file.js";
import { plural } from "../text.js";
import { collect } from "./collect.js";
import { clock } from "./format.js";
import { redrawn } from "./redrawn.js";
import { SAVING, Signals } from "./signals.js";
import { errorColumns } from "./terminal.js";
import { TRAINING_THREADS_HELP, threadsOf } from "./threads.js";
import { epochText, TrainingView } from "./training-view.js";
import { checkFolder } from "./writable.js";

interface Flags {
  readonly out?: string;
  readonly resume?: boolean;
  readonly set: string[];
  readonly threads?: string;
  readonly quiet?: boolean;
}

export function register(program: Command): void {
  program
    .command("sweep")
    .description("Trains a recipe repeatedly with different values and finds the best.")
    .argument("<sweep>", "sweep file")
    .option("-o, --out <folder>", "folder for figures, report and runs (default: runs/<name>)")
    .option("--resume", "continues the sweep in the folder, with identical results")
    .option("--set <path=value>", "overrides a value in the recipe for every run (repeatable)", collect, [])
    .option("--threads <n>", TRAINING_THREADS_HELP)
    .option("-q, --quiet", "prints only warnings and errors")
    .addHelpText(
      "after",
      `
The folder gets sweep.json (all figures), report.html (tables and curves, rewritten after each run) and runs/<run>/ with
each run's model.
Ctrl-C saves and stops; --resume continues from there, even after a crash. A second Ctrl-C stops at once.
Exit codes: 0 finished or saved, 1 the data is damaged or the sweep failed, 2 wrong file or usage,
130 stopped at once.

Examples:
  $ pipeline sweep recipes/study-sweep.yaml --set data.path=fer2013.csv
  $ pipeline sweep recipes/study-sweep.yaml --set data.path=fer2013.csv --resume`,
    )
    .action(action);
}

async function action(file: string, flags: Flags): Promise<void> {
  const { checkSources, loadRecipe, loadSweep } = await import("./recipe.js");
  const { checkSweep, sweep, sweepReport } = await import("../model/sweep/index.js");
  const { readDataset } = await import("../model/data/index.js");
  const { written } = await import("../model/written.js");
  const { createLog } = await import("./log.js");

  const threads = threadsOf(flags.threads, Number.POSITIVE_INFINITY);
  const definition = await loadSweep(file);
  const recipeOf = (settings: Settings) => recipeWith(settings, definition.recipe, file, flags.set);
  await loadRecipe(definition.recipe, flags.set); // the recipe's own mistakes must not be blamed on the sweep's values
  await checkSweep(definition, async (settings) => {
    const recipe = await recipeOf(settings);
    await checkSources(recipe);
    return recipe;
  });
  const out = flags.out ?? `runs/${definition.name}`;
  await checkOut(out, flags);
  const page = join(out, "report.html");

  const view = new TrainingView(!flags.quiet, await redrawn());
  const log = createLog({ quiet: flags.quiet ?? false, json: false, around: (say) => view.above(say) });
  const progress = new SweepProgress(view, log);
  const signals = new Signals(SAVING);
  signals.say = (message) => log.info(message);
  signals.abort.addEventListener("abort", () => process.exit(130));
  let read: { readonly key: string; readonly dataset: ReturnType<typeof readDataset> } | undefined;
  try {
    const record = await sweep(definition, {
      out,
      threads,
      signal: signals.stop,
      recipeOf,
      dataset: ({ data }) => {
        const key = JSON.stringify(data);
        if (read?.key !== key) read = { key, dataset: readDataset(data, log, "raise `data.maxDamaged`") };
        return read.dataset;
      },
      onChange: async (now, left) => {
        await written(page, replaceFile(page, sweepReport(now)));
        progress.changed(now, left);
      },
      onStep: (id, report) => progress.step(id, report),
      onEpoch: (id, report) => progress.epoch(id, report),
    });
    view.end();
    log.info(outcome(record, out, page));
  } finally {
    view.end();
    signals.end();
  }
}

/** The recipe with the sweep's values over those of `--set`. */
async function recipeWith(
  settings: Settings,
  recipe: string,
  file: string,
  set: readonly string[],
): Promise<Recipe> {
  const { loadRecipe, settingsOf } = await import("./recipe.js");
  const values = settingsOf(settings, dirname(file));
  try {
    return await loadRecipe(recipe, [...set, ...values]);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const tried = values.join(", ");
    throw new ConfigError(error.code, `${file}${tried ? `, ${tried}` : ""}: ${error.message}`, {
      cause: error,
    });
  }
}

async function checkOut(out: string, { resume }: Flags): Promise<void> {
  if (!resume && existsSync(join(out, "sweep.json")))
    throw new ConfigError(
      "SWEEP_OUT",
      `${out} already holds a sweep; resume it with --resume, or choose another --out`,
    );
  await checkFolder("--out", out);
}

/** Throws `ModelError` if no run succeeded. */
function outcome({ finished, best }: SweepRecord, out: string, page: string): string {
  if (!finished) return `saved in ${out}; resume with --resume`;
  if (best === undefined)
    throw new ModelError(
      "SWEEP_FAILED",
      `none of the runs completed its training; see ${page} for the reasons`,
    );
  return `finished; best run: ${best}: ${join(out, "runs", best, "model")}; report: ${page}`;
}

/** What is said of a sweep while it runs, with the time left estimated from the epochs done so far. */
class SweepProgress {
  readonly #view: TrainingView;
  readonly #log: Log;
  readonly #began = performance.now();
  readonly #told = new Set<string>();
  #left: WorkLeft = { runs: 0, epochs: 0 };
  #epochs = 0;

  constructor(view: TrainingView, log: Log) {
    this.#view = view;
    this.#log = log;
  }

  /** Prints a line for each run that has just ended. */
  changed({ runs }: SweepRecord, left: WorkLeft): void {
    this.#left = left;
    for (const { id, state, kept, history, failure } of runs) {
      if (state === "running" || this.#told.has(id)) continue;
      this.#told.add(id);
      const figures = kept
        ? `validation accuracy ${(kept.validationAccuracy * 100).toFixed(2)} %, loss ${kept.validationLoss.toFixed(3)}, epoch ${kept.epoch} of ${history.length}`
        : "no figures";
      this.#log.info(`${id}  ${state}  ${failure ?? figures}${this.#timeLeft()}`);
    }
  }

  step(id: string, report: StepReport): void {
    this.#view.heading = `${id}, ${plural(this.#left.runs, "run")} left${this.#timeLeft()}`;
    this.#view.step(report);
  }

  epoch(id: string, report: EpochReport): void {
    this.#epochs += 1;
    this.#left = { ...this.#left, epochs: Math.max(0, this.#left.epochs - 1) };
    // The bar shows this on a terminal; a log would be silent for hours.
    if (errorColumns() === undefined) this.#log.info(`${id}: ${epochText(report)}`);
  }

  #timeLeft(): string {
    if (this.#epochs === 0) return "";
    return `, about ${clock(((performance.now() - this.#began) / this.#epochs) * this.#left.epochs)} left`;
  }
}
