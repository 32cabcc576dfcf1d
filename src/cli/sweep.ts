import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { ConfigError, ModelError } from "../errors.js";
import type { Settings, SweepRecord, WorkLeft } from "../model/sweep/index.js";
import { replaceFile } from "../replace-file.js";
import { plural } from "../text.js";
import { collect } from "./collect.js";
import { clock } from "./format.js";
import { redrawn } from "./redrawn.js";
import { errorColumns } from "./terminal.js";
import { TRAINING_THREADS_HELP, threadsOf } from "./threads.js";
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
  const { loadRecipe, loadSweep, settingsOf } = await import("./recipe.js");
  const { checkSweep, sweep, sweepReport } = await import("../model/sweep/index.js");
  const { readDataset } = await import("../model/data/index.js");
  const { written } = await import("../model/written.js");
  const { createLog } = await import("./log.js");
  const { epochText, TrainingView } = await import("./training-view.js");

  const threads = threadsOf(flags.threads, Number.POSITIVE_INFINITY);
  const definition = await loadSweep(file);
  const recipeOf = async (settings: Settings) => {
    const values = settingsOf(settings, dirname(file));
    try {
      return await loadRecipe(definition.recipe, [...flags.set, ...values]);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const tried = values.join(", ");
      throw new ConfigError(error.code, `${file}${tried ? `, ${tried}` : ""}: ${error.message}`, {
        cause: error,
      });
    }
  };
  await loadRecipe(definition.recipe, flags.set); // the recipe's own mistakes must not be blamed on the sweep's values
  await checkSweep(definition, recipeOf);
  const out = flags.out ?? `runs/${definition.name}`;
  if (!flags.resume && existsSync(join(out, "sweep.json")))
    throw new ConfigError(
      "SWEEP_OUT",
      `${out} already holds a sweep; resume it with --resume, or choose another --out`,
    );
  await checkFolder("--out", out);
  const page = join(out, "report.html");

  const view = new TrainingView(!flags.quiet, await redrawn());
  const log = createLog({ quiet: flags.quiet ?? false, json: false, around: (say) => view.above(say) });
  const clockwork = new Clockwork();
  const told = new Set<string>();
  let read: { readonly key: string; readonly dataset: ReturnType<typeof readDataset> } | undefined;
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(130);
    log.info("stopping after this batch (press Ctrl-C again to stop at once)");
    stop.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  try {
    const record = await sweep(definition, {
      out,
      threads,
      signal: stop.signal,
      recipeOf,
      dataset: ({ data }) => {
        const key = JSON.stringify(data);
        if (read?.key !== key) read = { key, dataset: readDataset(data, log, "raise `data.maxDamaged`") };
        return read.dataset;
      },
      onChange: async (now, left) => {
        clockwork.left = left;
        await written(page, replaceFile(page, sweepReport(now)));
        if (!flags.quiet) tell(now);
      },
      onStep: (id, report) => {
        view.heading = `${id}, ${plural(clockwork.left.runs, "run")} left${clockwork.text()}`;
        view.step(report);
      },
      onEpoch: (id, report) => {
        clockwork.epoch();
        // The bar shows this on a terminal; a log would be silent for hours.
        if (errorColumns() === undefined) log.info(`${id}: ${epochText(report)}`);
      },
    });
    view.end();
    if (record.finished && record.best === undefined)
      throw new ModelError(
        "SWEEP_FAILED",
        `none of the runs completed its training; see ${page} for the reasons`,
      );
    log.info(
      record.finished
        ? `finished; best run: ${record.best}: ${join(out, "runs", record.best ?? "", "model")}; report: ${page}`
        : `saved in ${out}; resume with --resume`,
    );
  } finally {
    view.end();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }

  /** Prints a line for each run that has just ended. */
  function tell({ runs }: SweepRecord): void {
    for (const { id, state, kept, history, failure } of runs) {
      if (state === "running" || told.has(id)) continue;
      told.add(id);
      const figures = kept
        ? `validation accuracy ${(kept.validationAccuracy * 100).toFixed(2)} %, loss ${kept.validationLoss.toFixed(3)}, epoch ${kept.epoch} of ${history.length}`
        : "no figures";
      view.above(() => process.stderr.write(`${id}  ${state}  ${failure ?? figures}${clockwork.text()}\n`));
    }
  }
}

/** Estimates the remaining time from the epochs done so far. */
class Clockwork {
  left: WorkLeft = { runs: 0, epochs: 0 };
  readonly #began = performance.now();
  #epochs = 0;

  epoch(): void {
    this.#epochs += 1;
    this.left = { ...this.left, epochs: Math.max(0, this.left.epochs - 1) };
  }

  text(): string {
    if (this.#epochs === 0) return "";
    return `, about ${clock(((performance.now() - this.#began) / this.#epochs) * this.left.epochs)} left`;
  }
}
