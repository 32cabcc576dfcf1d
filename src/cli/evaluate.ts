import { mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Command, Option } from "commander";
import { columnsOf, padEnd } from "../columns.js";
import { diskReason } from "../disk.js";
import { ConfigError, DataError, readReason, SinkError } from "../errors.js";
import type { ModelCard } from "../model/card.js";
import { isNamed } from "../model/data/split-names.js";
import type { Evaluation } from "../model/evaluation/index.js";
import type { Log } from "../pipeline/context.js";
import { replaceFile } from "../replace-file.js";
import { plural } from "../text.js";
import { BAR_WIDTHS, bar } from "./bar.js";
import { collect } from "./collect.js";
import { clock } from "./format.js";
import { createLog } from "./log.js";
import { redrawn } from "./redrawn.js";
import { errorColumns, fitting, printable } from "./terminal.js";
import { THREADS_HELP, threadsOf } from "./threads.js";
import { checkFile } from "./writable.js";

interface Flags {
  readonly data: string;
  readonly split: string[];
  readonly flip?: boolean;
  readonly name?: string;
  readonly json?: string;
  readonly html?: string;
  readonly history?: string;
  readonly card?: boolean;
  readonly engine: "onnx" | "tfjs";
  readonly provider: "cpu" | "webgpu" | "cuda";
  readonly precision: "float32" | "int8";
  readonly strict?: boolean;
  readonly threads?: string;
  readonly quiet?: boolean;
}

export function register(program: Command): void {
  program
    .command("evaluate")
    .description("Measures a model's accuracy on labelled faces.")
    .argument("<model>", "name of a shipped model, or path of a model's folder")
    .requiredOption("--data <path>", "FER-2013's CSV, or a folder with one folder of pictures per class")
    .option(
      "--split <name>",
      "split to measure on (repeatable; default: all except training splits)",
      collect,
      [],
    )
    .option("--flip", "averages the predictions for each picture and its mirror image")
    .option("--name <name>", "name of the data set in the report and the card (default: the file name)")
    .option("--json <file>", "writes all figures as JSON")
    .option("--html <file>", "writes a report as a self-contained page")
    .option("--history <file>", "history.jsonl of the training, for the curves in the report")
    .option("--card", "adds the figures to the model's card")
    .addOption(
      new Option("--engine <engine>", "what runs the model").choices(["onnx", "tfjs"]).default("onnx"),
    )
    .addOption(
      new Option("--provider <provider>", "what onnxruntime runs on")
        .choices(["cpu", "webgpu", "cuda"])
        .default("cpu"),
    )
    .addOption(
      new Option("--precision <precision>", "32-bit floats, or the 8-bit file made by `models quantize`")
        .choices(["float32", "int8"])
        .default("float32"),
    )
    .option("--strict", "fails instead of falling back to the CPU")
    .option("--threads <n>", `CPU threads of the engine, ${THREADS_HELP}`)
    .option("-q, --quiet", "prints only the figures, warnings and errors")
    .addHelpText(
      "after",
      `
Exit codes: 0 success, 1 evaluation failed or a file could not be written, 2 wrong usage.

Examples:
  $ pipeline evaluate fer2013-small --data fer2013.csv --split PublicTest --flip
  $ pipeline evaluate ./runs/mine/model --data faces/ --html report.html --card`,
    )
    .action(action);
}

async function action(nameOrPath: string, flags: Flags): Promise<void> {
  const threads = threadsOf(flags.threads);
  const { loadModel } = await import("../model/load.js");
  const { openEngine } = await import("../model/engine/index.js");
  const { cardMetrics, evaluate, readHistory, report, writeMetrics } = await import(
    "../model/evaluation/index.js"
  );

  const log = createLog({ quiet: flags.quiet ?? false, json: false, around: (say) => say() });
  const model = await loadModel(nameOrPath, process.cwd());
  const history = flags.history
    ? readHistory(await historyText(flags.history), `--history ${flags.history}`)
    : [];
  await checkOutputs(flags, model.folder);
  const { dataset, splits, rows } = await picturesOf(flags, model.card, log);
  const engine = await openEngine(model, {
    engine: flags.engine,
    provider: flags.provider,
    precision: flags.precision,
    strict: flags.strict ?? false,
    threads,
    warn: (text) => log.warn(text),
  });
  try {
    const flip = flags.flip ?? false;
    const progress = await progressOf(rows.length, !flags.quiet);
    const evaluation = await evaluate(model, engine, dataset, rows, flip, progress.done).finally(
      progress.end,
    );
    const subject = {
      model: `${model.card.name} ${model.card.version}`,
      dataset: flags.name ?? dataset.name,
      split: splits.join("+"),
      flip,
      precision: flags.precision,
      provider: engine.provider,
    };
    process.stdout.write(printable(table(evaluation, subject.split, engine.provider)));
    if (flags.json) await write(flags.json, `${JSON.stringify({ ...subject, ...evaluation }, null, 2)}\n`);
    if (flags.html) await write(flags.html, await report(subject, evaluation, dataset, history));
    if (flags.card) await writeMetrics(model, cardMetrics(subject, evaluation));
  } finally {
    await engine.close();
  }
}

/** The pictures to measure on. Throws `DataError` if there are none. */
async function picturesOf({ data, split }: Flags, card: ModelCard, log: Log) {
  const { measuredData, readDataset, rowsOf } = await import("../model/data/index.js");
  const { options, asTrained } = measuredData(data, card);
  const dataset = await readDataset(options, log);
  log.info(
    asTrained
      ? `${dataset.name}: split by the recipe in the model's card`
      : `${dataset.name}: split by the defaults; the model's card records no training on it`,
  );
  const splits = splitsOf(dataset.splits, split, options.training);
  const rows = rowsOf(dataset, splits);
  if (rows.length === 0)
    throw new DataError(
      "DATA_FEW",
      `${data}: no pictures in ${splits.join(", ")}; choose another split with --split (${dataset.splits.join(", ")}), or add pictures`,
    );
  const seen = splits.filter((name) => isNamed(name, options.training));
  if (seen.length > 0)
    log.warn(
      `${seen.join(", ")}: models are trained on this split; these figures say nothing about new pictures`,
    );
  return { dataset, splits, rows };
}

async function checkOutputs({ json, html, card }: Flags, modelFolder: string): Promise<void> {
  if (json) await checkFile("--json", json);
  if (html) await checkFile("--html", html);
  if (card) await checkFile("--card", join(modelFolder, "card.json"), "remove --card");
}

const REFRESH_MS = 200;

/** Shows the number of finished pictures, redrawn in place; only on a terminal. */
async function progressOf(pictures: number, wanted: boolean) {
  const draw = await redrawn();
  const columns = wanted ? errorColumns() : undefined;
  const beganMs = performance.now();
  let drawnMs = beganMs;
  return {
    done: (done: number) => {
      const nowMs = performance.now();
      if (columns === undefined || nowMs - drawnMs < REFRESH_MS) return;
      drawnMs = nowMs;
      const left = clock(((nowMs - beganMs) * (pictures - done)) / done);
      const line = (width: number) =>
        `${bar(done / pictures, width)}  ${done} of ${plural(pictures, "picture")}  ${left} left`;
      draw(fitting(columns, BAR_WIDTHS.map(line)));
    },
    end: () => {
      if (columns !== undefined) draw.clear();
    },
  };
}

async function historyText(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError(
      "HISTORY",
      `--history ${file}: ${readReason(cause)}; give the history.jsonl written by \`pipeline train\``,
      { cause },
    );
  });
}

/** Can still fail: writability was checked before the evaluation. */
async function write(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await replaceFile(file, text);
  } catch (cause) {
    throw new SinkError("EVALUATE_WRITE", `${file} cannot be written: ${diskReason(cause)}`, { cause });
  }
}

function splitsOf(all: readonly string[], asked: readonly string[], training: readonly string[]): string[] {
  const unknown = asked.find((name) => !all.some((split) => isNamed(split, [name])));
  if (unknown !== undefined)
    throw new ConfigError("SPLIT", `--split ${unknown}: split not found; the data set has ${all.join(", ")}`);
  if (asked.length > 0) return all.filter((name) => isNamed(name, asked));
  const held = all.filter((name) => !isNamed(name, training));
  return held.length > 0 ? held : [...all];
}

function table(evaluation: Evaluation, split: string, provider: string): string {
  const percent = (value: number) => `${(value * 100).toFixed(2)} %`.padStart(9);
  const first = Math.max(12, ...evaluation.classes.map(({ label }) => columnsOf(label) + 1));
  const lines = [
    `${plural(evaluation.images, "picture")} of ${split}, run on ${provider}`,
    ...(
      [
        ["accuracy", evaluation.accuracy],
        ["top-2", evaluation.top2],
        ["macro precision", evaluation.macroPrecision],
        ["macro recall", evaluation.macroRecall],
        ["macro F1", evaluation.macroF1],
        ["calibration error", evaluation.ece],
        ["(TP + TN) / all", evaluation.oneVsRest],
      ] as const
    ).map(([name, value]) => `${name.padEnd(18)}${percent(value)}`),
    "",
    `${"".padEnd(first)}pictures  precision    recall        F1`,
    ...evaluation.classes.map(
      ({ label, count, precision, recall, f1 }) =>
        `${padEnd(label, first)}${String(count).padStart(8)}  ${percent(precision)} ${percent(recall)} ${percent(f1)}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}
