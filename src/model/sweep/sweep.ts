import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, EkspresiError } from "../../errors.js";
import type { FaceDataset } from "../data/index.js";
import {
  type EpochReport,
  type Recipe,
  type StepReport,
  sourcesOf,
  type TrainResult,
  train,
} from "../training/index.js";
import type { Settings, SweepDefinition } from "./definition.js";
import { combinations, type PlannedRun, stepRuns, stepsOf } from "./plan.js";
import {
  type RunRecord,
  type RunSources,
  readRecord,
  type SweepRecord,
  scoreOf,
  writeRecord,
} from "./record.js";

export interface SweepOptions {
  /** Folder for `sweep.json` and the runs' own folders (`runs/<id>/`). */
  readonly out: string;
  /** Threads of the training graph. Default 2. */
  readonly threads?: number;
  /** When it fires, the current run saves and the sweep stops. */
  readonly signal?: AbortSignal;
  /** The recipe with these values. Throws `ConfigError` if they are not allowed in it. */
  recipeOf(settings: Settings): Promise<Recipe>;
  dataset(recipe: Recipe): Promise<FaceDataset>;
  /** Called after every change of the record: a run began, ended or was pruned. */
  onChange?(record: SweepRecord, left: WorkLeft): Promise<void> | void;
  onStep?(id: string, report: StepReport): void;
  onEpoch?(id: string, report: EpochReport): void;
}

/** How much is still to be done; what later steps need is estimated from what is settled so far. */
export interface WorkLeft {
  readonly runs: number;
  readonly epochs: number;
}

/** Codes of errors by which only the run fails; the sweep continues. */
const RUN_FAILS = [
  "TRAINING_DIVERGED",
  "DATA_FEW",
  "DATA_VALIDATION",
  "PICTURE_SIZE",
  "TEACHER_CLASSES",
  "WARM_START",
];

/**
 * Trains the runs of a sweep one after another, continuing from the record in its folder. A run can be killed at any
 * moment: it resumes from its own checkpoint and reaches the same figures.
 *
 * @returns the record; not `finished` if the signal stopped it
 */
export async function sweep(definition: SweepDefinition, options: SweepOptions): Promise<SweepRecord> {
  return new Sweep(definition, options, await options.recipeOf({})).run();
}

/** Checks that the recipe accepts every value that the sweep tries, before hours are spent. */
export async function checkSweep(
  definition: SweepDefinition,
  recipeOf: SweepOptions["recipeOf"],
): Promise<void> {
  const { method, set = {} } = definition;
  if (method !== "one-factor") {
    for (const { settings } of combinations(definition)) await recipeOf(settings);
    return;
  }
  let settled: Settings = set;
  for (const [number, step] of stepsOf(definition).entries()) {
    settled = { ...settled, ...step.with };
    for (const { settings } of stepRuns(number, step, settled)) await recipeOf(settings);
  }
}

class Sweep {
  readonly #definition: SweepDefinition;
  readonly #options: SweepOptions;
  readonly #recipe: Recipe;
  #runs: RunRecord[] = [];
  #sources: Readonly<Record<string, RunSources>> = {};
  #finished = false;
  #left: WorkLeft = { runs: 0, epochs: 0 };

  constructor(definition: SweepDefinition, options: SweepOptions, recipe: Recipe) {
    this.#definition = definition;
    this.#options = options;
    this.#recipe = recipe;
  }

  async run(): Promise<SweepRecord> {
    const before = await readRecord(this.#file, this.#record);
    this.#runs = [...(before?.runs ?? [])];
    this.#sources = before?.sources ?? {};
    const whole = this.#definition.method === "one-factor" ? await this.#steps() : await this.#search();
    this.#finished = whole;
    await this.#save();
    return this.#record;
  }

  /** Returns false if the signal stopped it. */
  async #steps(): Promise<boolean> {
    const steps = stepsOf(this.#definition);
    let settled: Settings = this.#definition.set ?? {};
    for (const [number, step] of steps.entries()) {
      settled = { ...settled, ...step.with };
      const planned = stepRuns(number, step, settled);
      for (const [i, run] of planned.entries()) {
        const later = await this.#estimate(number, settled, i);
        if (!(await this.#train(run, Number.POSITIVE_INFINITY, later, number))) return false;
      }
      const best = this.#best(planned.map(({ id }) => id));
      settled = { ...settled, ...(best && { [step.vary]: best.settings[step.vary] ?? 0 }) };
    }
    return true;
  }

  /** Work left after run `first` of step `number`. */
  async #estimate(number: number, settled: Settings, first: number): Promise<WorkLeft> {
    let known = settled;
    let runs = 0;
    let epochs = 0;
    for (const [i, step] of stepsOf(this.#definition).entries()) {
      if (i < number) continue;
      known = { ...known, ...step.with };
      for (const { settings } of stepRuns(i, step, known).slice(i === number ? first + 1 : 0)) {
        runs += 1;
        epochs += (await this.#options.recipeOf(settings)).epochs;
      }
      known = { ...known, [step.vary]: step.values.at(-1) ?? 0 };
    }
    return { runs, epochs };
  }

  /** Successive halving: all runs get a few epochs, the best of them more, until one has had all its epochs. */
  async #search(): Promise<boolean> {
    const { halving } = this.#definition;
    let active = combinations(this.#definition);
    const most = await this.#mostEpochs(active);
    let before = 0;
    for (let budget = halving?.epochs ?? most; ; budget *= halving?.factor ?? 1) {
      for (const [i, run] of active.entries())
        if (!(await this.#train(run, budget, this.#searchLeft(active.length, i + 1, before, budget, most))))
          return false;
      if (!halving || budget >= most) return true;
      active = await this.#prune(active, Math.ceil(active.length / halving.factor), budget);
      before = budget;
    }
  }

  /** Work left after run `done` of `size` in the round from `before` to `budget` epochs, and in the rounds to come. */
  #searchLeft(size: number, done: number, before: number, budget: number, most: number): WorkLeft {
    const factor = this.#definition.halving?.factor;
    let runs = size - done;
    let epochs = runs * (Math.min(budget, most) - before);
    if (factor)
      for (
        let from = budget, n = Math.ceil(size / factor);
        from < most;
        from *= factor, n = Math.ceil(n / factor)
      ) {
        runs += n;
        epochs += n * (Math.min(from * factor, most) - from);
      }
    return { runs, epochs };
  }

  /** Ranks by what the runs reached within the budget, so that a resumed sweep decides the same way. */
  async #prune(active: readonly PlannedRun[], keep: number, budget: number): Promise<PlannedRun[]> {
    const recordOf = ({ id }: PlannedRun) => this.#runs.find((run) => run.id === id);
    const score = (run: PlannedRun) => {
      const history = recordOf(run)?.history ?? [];
      return Math.max(...history.slice(0, budget).map((report) => scoreOf(this.#definition, report)));
    };
    const alive = active.filter((planned) => {
      const run = recordOf(planned);
      return run?.state !== "failed" || run.history.length >= budget;
    });
    const kept = new Set(alive.sort((a, b) => score(b) - score(a)).slice(0, keep));
    const dropped = new Set(active.filter((run) => !kept.has(run)).map(({ id }) => id));
    this.#runs = this.#runs.map((run) =>
      dropped.has(run.id) && run.state === "running" ? { ...run, state: "pruned" } : run,
    );
    await this.#save();
    return active.filter((run) => kept.has(run));
  }

  /** Reads one recipe after another: thousands of open files at once are more than some systems allow. */
  async #mostEpochs(runs: readonly PlannedRun[]): Promise<number> {
    let most = 0;
    for (const { settings } of runs) most = Math.max(most, (await this.#options.recipeOf(settings)).epochs);
    return most;
  }

  /** Trains one run until it has `until` epochs. Returns false if the signal stopped it. */
  async #train(run: PlannedRun, until: number, later: WorkLeft, step?: number): Promise<boolean> {
    const { out, signal } = this.#options;
    const before = this.#runs.find(({ id }) => id === run.id);
    if (before && before.state !== "running") return true;
    const recipe = await this.#options.recipeOf(run.settings);
    // With all its epochs, what it may still lack is its model.
    if (before && before.history.length >= until && until < recipe.epochs) return true;
    if (signal?.aborted) return false;
    const folder = join(out, "runs", run.id);
    const put = async (state: RunRecord["state"], failure?: string) => {
      const history = await readHistory(folder);
      this.#left = {
        runs: later.runs + 1,
        epochs: later.epochs + Math.max(0, Math.min(until, recipe.epochs) - history.length),
      };
      const kept = state === "failed" ? undefined : keptOf(history, recipe.keep);
      this.#put({
        ...run,
        ...(step !== undefined && { step }),
        state,
        ...(failure !== undefined && { failure }),
        history,
        ...(kept && { kept }),
      });
      await this.#save();
    };
    // The record is first written when training begins: if the data is refused, no sweep is left behind that the
    // corrected command would find.
    const result = await this.#attempt(run.id, recipe, folder, until, () => put("running"));
    if (typeof result === "string") await put("failed", result);
    else await put(result.finished ? "done" : "running");
    return typeof result === "string" || result.finished || result.epochs >= until;
  }

  /** The run's result, or why it failed. */
  async #attempt(
    id: string,
    recipe: Recipe,
    out: string,
    until: number,
    onBegin: () => Promise<void>,
  ): Promise<TrainResult | string> {
    const { signal, threads } = this.#options;
    const dataset = await this.#options.dataset(recipe);
    await this.#checkSources(id, recipe, dataset);
    try {
      return await train(recipe, dataset, {
        out,
        resume: existsSync(join(out, "checkpoint.bin")),
        until,
        ...(threads !== undefined && { threads }),
        ...(signal && { signal }),
        onBegin,
        onStep: (report) => this.#options.onStep?.(id, report),
        onEpoch: (report) => this.#options.onEpoch?.(id, report),
      });
    } catch (error) {
      // Its own message advises flags that only `train` has.
      if (error instanceof ConfigError && error.code === "CHECKPOINT") throw this.#changed(id, error);
      if (!(error instanceof EkspresiError) || !RUN_FAILS.includes(error.code)) throw error;
      // If even the first run cannot be trained, the recipe is wrong, and nothing is lost yet.
      if (this.#runs.length === 0) throw error;
      return error.message;
    }
  }

  /** Throws `ConfigError` if another run learnt from other pictures or models of the same names. */
  async #checkSources(run: string, recipe: Recipe, dataset: FaceDataset): Promise<void> {
    const names = JSON.stringify([recipe.data, recipe.from, recipe.teacher?.model]);
    const content = await sourcesOf(recipe, dataset);
    const known = this.#sources[names];
    if (known && JSON.stringify(known.content) !== JSON.stringify(content)) throw this.#changed(known.run);
    this.#sources = { [names]: { run, content }, ...this.#sources };
  }

  #changed(run: string, cause?: Error): ConfigError {
    return new ConfigError(
      "SWEEP_RESUME",
      `${this.#options.out}: the pictures, or a model that it learns from, have changed since run ${run} began; restore them, or choose another --out`,
      { cause },
    );
  }

  #put(record: RunRecord): void {
    const at = this.#runs.findIndex(({ id }) => id === record.id);
    if (at < 0) this.#runs.push(record);
    else this.#runs[at] = record;
  }

  /** The best of the finished runs, the first if several are equal; undefined if none has finished. */
  #best(ids: readonly string[]): RunRecord | undefined {
    return this.#runs
      .filter(({ id, state }) => ids.includes(id) && state === "done")
      .reduce<RunRecord | undefined>((best, run) => {
        if (!run.kept) return best;
        return !best?.kept || scoreOf(this.#definition, run.kept) > scoreOf(this.#definition, best.kept)
          ? run
          : best;
      }, undefined);
  }

  get #record(): SweepRecord {
    const best = this.#best(this.#runs.map(({ id }) => id))?.id;
    return {
      format: 1,
      definition: this.#definition,
      recipe: this.#recipe,
      finished: this.#finished,
      ...(best !== undefined && { best }),
      runs: this.#runs,
      sources: this.#sources,
    };
  }

  async #save(): Promise<void> {
    await mkdir(this.#options.out, { recursive: true });
    await writeRecord(this.#file, this.#record);
    await this.#options.onChange?.(this.#record, this.#left);
  }

  get #file(): string {
    return join(this.#options.out, "sweep.json");
  }
}

/** Throws `ConfigError` if a line is damaged, as a power failure may leave it. */
async function readHistory(folder: string): Promise<EpochReport[]> {
  const file = join(folder, "history.jsonl");
  const text = await readFile(file, "utf8").catch(() => "");
  const whole = text.split("\n").slice(0, -1); // a killed process may have left the last line incomplete
  return whole.map((line, i) => {
    try {
      return JSON.parse(line) as EpochReport;
    } catch (cause) {
      throw new ConfigError(
        "HISTORY",
        `${file}: line ${i + 1} is damaged; remove ${folder} to train this run again`,
        { cause },
      );
    }
  });
}

/** The epoch that became, or would now become, the model. */
function keptOf(history: readonly EpochReport[], keep: Recipe["keep"]): EpochReport | undefined {
  if (keep === "last") return history.at(-1);
  return history.reduce<EpochReport | undefined>(
    (best, report) => (best === undefined || report.validationLoss < best.validationLoss ? report : best),
    undefined,
  );
}
