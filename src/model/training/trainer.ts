import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { diskReason } from "../../disk.js";
import { ConfigError, ModelError, readReason } from "../../errors.js";
import { lockFile, NoLockProgram } from "../../lock.js";
import { replaceFile } from "../../replace-file.js";
import { ARCHITECTURES, checkPictureSize } from "../architectures/index.js";
import { argmax } from "../argmax.js";
import {
  type Batch,
  type BatchSource,
  batchSource,
  type FaceDataset,
  isNamed,
  rowsOf,
} from "../data/index.js";
import { Random } from "../data/random.js";
import { inferenceGraph } from "../layers/inference-graph.js";
import type { Layer, Shape } from "../layers/layer.js";
import { parametersOf, type Values } from "../layers/parameters.js";
import { loadModel, modelFile } from "../load.js";
import { readGraph } from "../onnx/read.js";
import { written } from "../written.js";
import { type Progress, readCheckpoint, writeCheckpoint } from "./checkpoint.js";
import { positionsOf } from "./classes.js";
import { identityOf } from "./identity.js";
import { mixup } from "./mixup.js";
import { isModelOf, writeModel } from "./model-folder.js";
import { clipNorm, moveAverage, optimise } from "./optimiser.js";
import { fitPrior } from "./prior.js";
import { NORMALISATION, type Recipe } from "./recipe.js";
import { afterEpoch, isOver, NO_PLATEAU, rateFactor } from "./schedule.js";
import { TrainingState } from "./state.js";
import { TrainingStep } from "./step.js";
import { withTeacher } from "./teacher.js";
import { probabilitiesOf, type Validation, validate } from "./validate.js";
import { warmStart } from "./warm-start.js";

export interface TrainOptions {
  /** Folder for `checkpoint.bin`, `history.jsonl`, `model/` and an empty file `lock`. */
  readonly out: string;
  /** Resumes from the folder's checkpoint, with the same figures as if it had never stopped. */
  readonly resume?: boolean;
  /** Training threads; the figures do not depend on their number. Default 2. */
  readonly threads?: number;
  /** When it fires, the run saves and stops. */
  readonly signal?: AbortSignal;
  /** Saves and stops once this many epochs are done, as if the signal had fired. */
  readonly until?: number;
  /** Called when recipe, data and checkpoint have been checked, and the history has the checkpoint's epochs only. */
  onBegin?(): Promise<void>;
  /** Called as the recipe's teacher works through the training pictures. */
  onTaught?(done: number, of: number): void;
  onStep?(report: StepReport): void;
  onEpoch?(report: EpochReport): void;
}

/** Progress of the current epoch; loss and accuracy are means over its batches so far. */
export interface StepReport {
  readonly epoch: number;
  readonly epochs: number;
  readonly batch: number;
  readonly batches: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly imagesPerSecond: number;
}

/** A line of `history.jsonl`. Accuracies are 0 to 1; epochs are counted from 1. */
export interface EpochReport {
  readonly epoch: number;
  readonly rate: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly validationLoss: number;
  readonly validationAccuracy: number;
  readonly seconds: number;
}

export interface TrainResult {
  /** False if it was stopped; it can be resumed if anything was written. */
  readonly finished: boolean;
  /** False if it was stopped before it began, or had already finished with this very model. */
  readonly written: boolean;
  /** Epochs that have been completed. */
  readonly epochs: number;
  /** Folder of the model; only if finished. */
  readonly model?: string;
  /** The epoch that became the model; only if one was written. */
  readonly kept?: number;
}

/** Stream of random numbers for mixup; it depends only on seed and step, so a checkpoint need not store it. */
const MIXUP = 102;

/**
 * Trains a network from a recipe. Throws `ConfigError` if the recipe does not fit the data, or the model or checkpoint
 * to start from is missing; `DataError`; `ModelError` if the loss is no longer a number.
 */
export async function train(recipe: Recipe, given: FaceDataset, options: TrainOptions): Promise<TrainResult> {
  checkSplits(recipe, given);
  const layers = ARCHITECTURES[recipe.architecture](given.labels.length, recipe.dropout, recipe.width);
  const input: Shape = [1, given.height, given.width];
  checkPictureSize(`${given.name}: the architecture ${recipe.architecture}`, layers, given);
  const state = new TrainingState(parametersOf(layers, input), recipe.seed);
  const identity = await identityOf(recipe, given);
  const begun = await beginning(state, identity, options);
  const { model } = filesIn(options.out);
  // Keeps what was added after training: an 8-bit file, figures in the card.
  if (begun.progress.over && (await isModelOf(model, recipe, identity)))
    return { finished: true, written: false, epochs: begun.progress.epoch, model };
  const { teacher, data } = recipe;
  const { threads = 2, signal } = options;
  const dataset = teacher
    ? await withTeacher(given, teacher, data.training, threads, options.onTaught, signal)
    : given;
  if (signal?.aborted) return { finished: false, written: false, epochs: 0 };
  const batches = batchSource(dataset, {
    batch: recipe.batch,
    seed: recipe.seed,
    splits: recipe.data.training,
    sampling: recipe.sampling,
    augment: recipe.augment,
    normalisation: NORMALISATION,
  });
  try {
    if (recipe.from !== undefined && !options.resume)
      await beginFrom(recipe.from, dataset.labels, state, layers, input, batches);
    const { batch, seed } = recipe;
    const step = new TrainingStep(layers, input, state, { batch, seed, threads });
    try {
      return await new Run(recipe, dataset, options, begun, layers, input, state, step, batches).run();
    } finally {
      await step.close();
    }
  } finally {
    await batches.close();
  }
}

/** Throws `ConfigError` unless there is something to validate on that is not learnt from. */
function checkSplits({ data, validation }: Recipe, given: FaceDataset): void {
  if (rowsOf(given, validation).length === 0)
    throw new ConfigError(
      "DATA_VALIDATION",
      `${given.name}: no pictures in ${validation.join(", ")} (the data set has ${given.splits.join(", ")}); name the splits to validate on in \`validation\`, or hold back part of a folder with \`data.validation\``,
    );
  const both = given.splits.filter((name) => isNamed(name, data.training) && isNamed(name, validation));
  if (both.length > 0)
    throw new ConfigError(
      "DATA_VALIDATION",
      `${given.name}: \`data.training\` and \`validation\` both name ${both.join(", ")}; a network must not be validated on what it learns from`,
    );
}

/** Where a run begins, or goes on. */
interface Beginning {
  /** What must be the same to resume from its checkpoints. */
  readonly identity: string;
  readonly progress: Progress;
  /** Weights of the epoch with the lowest validation loss. */
  readonly best: Float32Array;
}

const START: Progress = {
  epoch: 0,
  batch: 0,
  step: 0,
  loss: 0,
  correct: 0,
  elapsedMs: 0,
  plateau: NO_PLATEAU,
  best: null,
  over: false,
};

/** If the run resumes, fills `state` from its checkpoint. */
async function beginning(
  state: TrainingState,
  identity: string,
  { out, resume }: TrainOptions,
): Promise<Beginning> {
  const best = state.weights.slice();
  const arrays = [...state.arrays, best];
  const progress = resume ? await readCheckpoint(filesIn(out).checkpoint, identity, arrays) : START;
  return { identity, progress, best };
}

const filesIn = (out: string) => ({
  model: join(out, "model"),
  checkpoint: join(out, "checkpoint.bin"),
  history: join(out, "history.jsonl"),
  lock: join(out, "lock"),
});

async function beginFrom(
  from: string,
  labels: readonly string[],
  state: TrainingState,
  layers: readonly Layer[],
  input: Shape,
  batches: BatchSource,
): Promise<void> {
  const model = await loadModel(from, process.cwd());
  const graph = readGraph(await modelFile(model, "onnx"), from);
  const classes = positionsOf(labels, model.card.labels);
  await warmStart(state, layers, input, graph, classes, batches.epoch(0), from);
}

class Run {
  readonly #recipe: Recipe;
  readonly #dataset: FaceDataset;
  readonly #options: TrainOptions;
  /** What must be the same to resume from a checkpoint. */
  readonly #identity: string;
  readonly #layers: readonly Layer[];
  readonly #input: Shape;
  readonly #state: TrainingState;
  readonly #step: TrainingStep;
  readonly #batches: BatchSource;
  /** Weights of the epoch with the lowest validation loss. */
  readonly #best: Float32Array;
  #progress: Progress;

  constructor(
    recipe: Recipe,
    dataset: FaceDataset,
    options: TrainOptions,
    { identity, progress, best }: Beginning,
    layers: readonly Layer[],
    input: Shape,
    state: TrainingState,
    step: TrainingStep,
    batches: BatchSource,
  ) {
    this.#recipe = recipe;
    this.#dataset = dataset;
    this.#options = options;
    this.#identity = identity;
    this.#layers = layers;
    this.#input = input;
    this.#state = state;
    this.#step = step;
    this.#batches = batches;
    this.#progress = progress;
    this.#best = best;
  }

  async run(): Promise<TrainResult> {
    const { out } = this.#options;
    await written(out, mkdir(out, { recursive: true }));
    const unlock = lockRun(out);
    try {
      return await this.#train();
    } finally {
      unlock();
    }
  }

  async #train(): Promise<TrainResult> {
    const { resume, signal, until = Number.POSITIVE_INFINITY, onBegin } = this.#options;
    // A checkpoint of an earlier run would be taken for this one's.
    if (!resume) await written(this.#checkpoint, rm(this.#checkpoint, { force: true }));
    await this.#trimHistory();
    await onBegin?.();
    const stops = () => signal?.aborted || this.#progress.epoch >= until;
    while (!this.#progress.over) {
      if (!stops() && (await this.#epoch())) await this.#endEpoch();
      // Also if stopped before the first batch, so that every stopped run can be resumed.
      await writeCheckpoint(this.#checkpoint, this.#identity, this.#progress, this.#arrays);
      if (stops() && !this.#progress.over)
        return { finished: false, written: true, epochs: this.#progress.epoch };
    }
    const model = await this.#write();
    return { finished: true, written: true, epochs: this.#progress.epoch, model, kept: this.#kept };
  }

  /** Trains one epoch, or what is left of it. Returns false if the signal ended it early. */
  async #epoch(): Promise<boolean> {
    const { batchesPerEpoch } = this.#batches;
    const first = this.#progress.batch;
    const began = performance.now();
    let done = 0;
    for await (const batch of this.#batches.epoch(this.#progress.epoch)) {
      // A resumed epoch is requested from its start, because that determines its batches.
      if (done++ < first) continue;
      const before = performance.now();
      await this.#learn(batch);
      const now = performance.now();
      this.#progress = { ...this.#progress, elapsedMs: this.#progress.elapsedMs + now - before };
      this.#tell(((done - first) * batch.size * 1000) / (now - began), batch.size);
      if (this.#options.signal?.aborted && done < batchesPerEpoch) return false;
    }
    return true;
  }

  async #learn(batch: Batch): Promise<void> {
    const { optimiser, schedule, seed, clip, average, epochs } = this.#recipe;
    const { step, plateau, epoch } = this.#progress;
    const mixed = this.#recipe.mixup
      ? mixup(batch, this.#recipe.mixup, new Random(seed, MIXUP, step))
      : batch;
    const { loss, logits } = await this.#step.run(mixed, step);
    if (!Number.isFinite(loss)) throw diverged("loss", epoch + 1, this.#progress.batch + 1);
    const { gradient } = this.#step;
    if (clip > 0) clipNorm(gradient, clip);
    const rate = optimiser.rate * rateFactor(schedule, plateau, step, this.#batches.batchesPerEpoch, epochs);
    optimise(optimiser, this.#state, gradient, rate, step + 1);
    if (average > 0) moveAverage(this.#state, average, step);
    this.#progress = {
      ...this.#progress,
      step: step + 1,
      batch: this.#progress.batch + 1,
      loss: this.#progress.loss + loss,
      correct: this.#progress.correct + hits(logits, mixed.y, batch.size),
    };
  }

  #tell(imagesPerSecond: number, size: number): void {
    const { epoch, batch, loss, correct } = this.#progress;
    this.#options.onStep?.({
      epoch: epoch + 1,
      epochs: this.#recipe.epochs,
      batch,
      batches: this.#batches.batchesPerEpoch,
      loss: loss / batch,
      accuracy: correct / (batch * size),
      imagesPerSecond,
    });
  }

  async #endEpoch(): Promise<void> {
    const { schedule, optimiser, epochs, batch } = this.#recipe;
    const { epoch, loss, correct, plateau, step, best, elapsedMs } = this.#progress;
    const { batchesPerEpoch } = this.#batches;
    const result = await this.#validate();
    // Batch statistics can overflow even if no batch's own loss did. In JSON the loss would be null, which counts as
    // less than any number.
    if (!Number.isFinite(result.loss)) throw diverged("validation loss", epoch + 1);
    const report: EpochReport = {
      epoch: epoch + 1,
      rate: optimiser.rate * rateFactor(schedule, plateau, step - 1, batchesPerEpoch, epochs),
      loss: loss / batchesPerEpoch,
      accuracy: correct / (batchesPerEpoch * batch),
      validationLoss: result.loss,
      validationAccuracy: result.accuracy,
      seconds: Math.round(elapsedMs / 1000),
    };
    await written(this.#history, appendFile(this.#history, `${JSON.stringify(report)}\n`));
    const better = best === null || result.loss < best.loss;
    if (better) this.#best.set(this.#model);
    const next = afterEpoch(schedule, plateau, result.loss);
    this.#progress = {
      ...this.#progress,
      epoch: epoch + 1,
      batch: 0,
      loss: 0,
      correct: 0,
      plateau: next,
      best: better ? { epoch: epoch + 1, loss: result.loss } : best,
      over: epoch + 1 >= epochs || isOver(schedule, next),
    };
    this.#options.onEpoch?.(report);
  }

  async #validate(): Promise<Validation> {
    const { mirror } = this.#recipe;
    const graph = inferenceGraph(this.#layers, this.#input, this.#state.views(this.#model), { mirror });
    return validate(graph, this.#dataset, this.#recipe.validation, this.#options.threads ?? 2);
  }

  async #write(): Promise<string> {
    const { epoch, elapsedMs } = this.#progress;
    const last = this.#recipe.keep === "last";
    const values = this.#state.views((last ? this.#model : this.#best).slice());
    const priorShift = this.#recipe.calibratePrior ? await this.#calibratePrior(values) : undefined;
    return writeModel({
      folder: this.#folder,
      recipe: this.#recipe,
      identity: this.#identity,
      dataset: this.#dataset,
      layers: this.#layers,
      input: this.#input,
      values,
      ...(priorShift && { priorShift }),
      epoch: this.#kept,
      epochs: epoch,
      elapsedMs,
    });
  }

  /** Changes the last layer's biases and returns what it added. */
  async #calibratePrior(values: Values): Promise<number[]> {
    const dataset = this.#dataset;
    const { mirror, data } = this.#recipe;
    const rows = rowsOf(dataset, data.training);
    const graph = inferenceGraph(this.#layers, this.#input, values, { mirror });
    const probabilities = await probabilitiesOf(graph, dataset, rows, this.#options.threads ?? 2);
    const label = Uint8Array.from(rows, (row) => dataset.label[row] ?? 0);
    const shift = fitPrior(probabilities, label, dataset.labels.length);
    const last = this.#state.parameters.findLast(({ role }) => role === "bias");
    const biases = values.get(last?.name ?? "");
    shift.forEach((by, c) => {
      if (biases) biases[c] = (biases[c] ?? 0) + by;
    });
    return [...shift];
  }

  /** Number of the epoch that becomes the model. */
  get #kept(): number {
    const { epoch, best } = this.#progress;
    return this.#recipe.keep === "last" ? epoch : (best?.epoch ?? epoch);
  }

  /** The weights that would become the model now. */
  get #model(): Float32Array {
    return this.#recipe.average > 0 ? this.#state.average : this.#state.weights;
  }

  get #arrays(): readonly Float32Array[] {
    return [...this.#state.arrays, this.#best];
  }

  get #folder(): string {
    return filesIn(this.#options.out).model;
  }

  get #checkpoint(): string {
    return filesIn(this.#options.out).checkpoint;
  }

  get #history(): string {
    return filesIn(this.#options.out).history;
  }

  /**
   * Keeps only the epochs that the checkpoint includes: the process may have been killed between writing the line and
   * the checkpoint. If the file was removed, the weights are still worth resuming from.
   */
  async #trimHistory(): Promise<void> {
    const file = this.#history;
    const { epoch } = this.#progress;
    if (epoch === 0) return written(file, writeFile(file, ""));
    const text = await readHistory(file);
    const lines = text.split("\n").slice(0, epoch).filter(Boolean);
    const kept = lines.map((line) => `${line}\n`).join("");
    // Not in place: on a full disk, which may be why the run stopped, nothing would be left.
    if (kept !== text) await written(file, replaceFile(file, kept));
  }
}

/**
 * Two processes in one folder would mix their epochs in its history. Returns the function that unlocks it. Throws
 * `ConfigError` if another process trains there.
 */
function lockRun(out: string): () => void {
  const file = filesIn(out).lock;
  let unlock: (() => void) | undefined;
  try {
    unlock = lockFile(file);
  } catch (cause) {
    if (cause instanceof NoLockProgram) return () => {}; // nothing else here needs that program
    throw new ModelError("MODEL_WRITE", `${file} cannot be written: ${diskReason(cause)}`, { cause });
  }
  if (unlock) return unlock;
  throw new ConfigError(
    "TRAIN_OUT",
    `${out}: another process is training in this folder; wait for it, or choose another --out`,
  );
}

function readHistory(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === "ENOENT") return "";
    throw new ConfigError("HISTORY", `${file}: ${readReason(cause)}; repair or remove it`, { cause });
  });
}

function diverged(what: string, epoch: number, batch?: number): ModelError {
  return new ModelError(
    "TRAINING_DIVERGED",
    `the ${what} is no longer a number in epoch ${epoch}${batch === undefined ? "" : `, batch ${batch}`}; try a lower \`optimiser.rate\`, or \`clip\``,
  );
}

/** Number of pictures whose largest logit is where their largest target is. */
function hits(logits: Float32Array, y: Float32Array, size: number): number {
  const classes = y.length / size;
  let sum = 0;
  for (let start = 0; start < y.length; start += classes) {
    const end = start + classes;
    if (argmax(logits.subarray(start, end)) === argmax(y.subarray(start, end))) sum += 1;
  }
  return sum;
}
