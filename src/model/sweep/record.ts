import { readFile } from "node:fs/promises";
import { ConfigError, readReason } from "../../errors.js";
import { replaceFile } from "../../replace-file.js";
import type { EpochReport } from "../training/index.js";
import { written } from "../written.js";
import type { Settings, SweepDefinition } from "./definition.js";

/** One training run of a sweep, as far as it has come. */
export interface RunRecord {
  readonly id: string;
  /** Step of a one-factor sweep, from 0. */
  readonly step?: number;
  readonly settings: Settings;
  readonly state: "running" | "done" | "pruned" | "failed";
  /**
   * Why it failed: a loss that is no longer a number, or too few pictures for a batch, ends a run but not the sweep.
   */
  readonly failure?: string;
  readonly history: readonly EpochReport[];
  /** Figures of the epoch that became the model, once there is one. */
  readonly kept?: EpochReport;
}

/** `sweep.json`: everything that a sweep has found. */
export interface SweepRecord {
  readonly format: 1;
  readonly definition: SweepDefinition;
  /** The recipe that the runs change. */
  readonly recipe: unknown;
  readonly finished: boolean;
  /** The id of the best run so far. */
  readonly best?: string;
  readonly runs: readonly RunRecord[];
  /** By the names of pictures and models in the recipe, as JSON; older records lack it. */
  readonly sources?: Readonly<Record<string, RunSources>>;
}

/** What runs learn from. */
export interface RunSources {
  /** The run that was the first to use it. */
  readonly run: string;
  /** Hashes of the pictures and models. */
  readonly content: unknown;
}

/**
 * The score by which runs are compared; higher is better. Few validation pictures often give equal accuracies, and
 * then the lower loss is better: weighted so little that it decides nothing else.
 */
export function scoreOf(
  { judge }: SweepDefinition,
  { validationAccuracy, validationLoss }: EpochReport,
): number {
  return judge === "loss" ? -validationLoss : validationAccuracy - 1e-9 * validationLoss;
}

/** Throws `ModelError` if it cannot be written. */
export function writeRecord(file: string, record: SweepRecord): Promise<void> {
  return written(file, replaceFile(file, `${JSON.stringify(record, null, 1)}\n`));
}

/**
 * The record of this sweep; undefined if there is none yet. Throws `ConfigError` if the file belongs to another sweep
 * or is not a sweep record.
 */
export async function readRecord(
  file: string,
  { definition, recipe }: Pick<SweepRecord, "definition" | "recipe">,
): Promise<SweepRecord | undefined> {
  const text = await readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return undefined;
    throw new ConfigError("SWEEP_RESUME", `${file}: ${readReason(cause)}; choose another --out`, { cause });
  });
  if (text === undefined) return undefined;
  const record = recordOf(text);
  if (!record) throw new ConfigError("SWEEP_RESUME", `${file}: not a sweep record; choose another --out`);
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
  if (!same(record.definition, definition) || !same(record.recipe, recipe))
    throw new ConfigError(
      "SWEEP_RESUME",
      `${file}: it belongs to another sweep, or its recipe has changed since; choose another --out`,
    );
  return record;
}

function recordOf(text: string): SweepRecord | undefined {
  try {
    const record = JSON.parse(text) as Partial<SweepRecord> | null;
    return record?.format === 1 && Array.isArray(record.runs) ? (record as SweepRecord) : undefined;
  } catch {
    return undefined;
  }
}
