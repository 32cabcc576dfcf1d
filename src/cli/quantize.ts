import type { Command } from "commander";
import { ConfigError } from "../errors.js";
import { plural } from "../text.js";
import { createLog } from "./log.js";

interface Flags {
  readonly data: string;
  readonly out: string;
  readonly pictures: string;
  readonly force?: boolean;
}

/** Help text of `--force` for verbs that write a model folder. */
export const FORCE_HELP = "replaces another model in the folder";

/** @param which help text of the model argument */
export function register(models: Command, which: string): void {
  models
    .command("quantize")
    .description(
      "Adds an 8-bit file (ONNX QDQ) to a model, calibrated on training pictures, for `classify: { precision: int8 }`.",
    )
    .argument("<model>", which)
    .requiredOption("--data <path>", "FER-2013's CSV, or a folder with one folder of pictures per class")
    .requiredOption("-o, --out <folder>", "folder to write to; may be the model's own")
    .option(
      "--pictures <n>",
      "number of training pictures to calibrate on, spread evenly over the data set",
      "512",
    )
    .option("--force", FORCE_HELP)
    .addHelpText(
      "after",
      `
Measure the loss of accuracy before you use it:
  $ pipeline models quantize ./runs/mine/model --data faces/ -o out/mine-int8
  $ pipeline evaluate ./out/mine-int8 --data faces/
  $ pipeline evaluate ./out/mine-int8 --data faces/ --precision int8`,
    )
    .action(action);
}

async function action(nameOrPath: string, flags: Flags): Promise<void> {
  const { measuredData, readDataset, rowsOf } = await import("../model/data/index.js");
  const { inputsOf } = await import("../model/evaluation/index.js");
  const { writeModelFolder } = await import("../model/folder.js");
  const { checkModelOut } = await import("./model-out.js");
  const { loadModel, modelFile, reloaded } = await import("../model/load.js");
  const { readGraph } = await import("../model/onnx/read.js");
  const { quantize } = await import("../model/quantize/index.js");

  const wanted = Number(flags.pictures);
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new ConfigError("PICTURES", `--pictures ${flags.pictures}: must be a whole number of at least 1`);
  const model = await loadModel(nameOrPath, process.cwd());
  await checkModelOut(model, flags.out, flags.force ?? false);
  const { card } = model;
  const bytes = await modelFile(model, "onnx");
  const { options } = measuredData(flags.data, card); // not on the pictures the model is measured on
  const dataset = await readDataset(
    options,
    createLog({ quiet: false, json: false, around: (say) => say() }),
  );
  const rows = spread(rowsOf(dataset, options.training), wanted);
  if (rows.length === 0)
    throw new ConfigError(
      "PICTURES",
      `${flags.data}: no training pictures (${options.training.join(", ")}) found; the data set has ${dataset.splits.join(", ")}`,
    );
  const graph = readGraph(bytes, `model ${card.name}`);
  const small = await quantize(
    graph,
    card,
    batches(rows, (some) => inputsOf(card.input, dataset, some)),
  );
  const now = await reloaded(model, "onnx", "while it was calibrated; quantize it again");
  const kept = now.card.files.filter(({ kind }) => kind !== "onnx-int8");
  const others = kept.map(async ({ path, kind }) => ({ path, kind, bytes: await modelFile(now, kind) }));
  // Figures of an earlier 8-bit file do not apply to this one.
  const metrics = now.card.metrics.filter(({ precision }) => precision !== "int8");
  await writeModelFolder(flags.out, { ...now.card, metrics }, [
    ...(await Promise.all(others)),
    { path: FILE, kind: "onnx-int8", bytes: small },
  ]);
  process.stdout.write(
    `${flags.out}: ${FILE}, ${percent(small.length / bytes.length)} of the model's size, calibrated on ${plural(rows.length, "picture")}\n`,
  );
}

const FILE = "model.int8.onnx";
const percent = (value: number) => `${(value * 100).toFixed(0)} %`;

const BATCH = 64;

function* batches<T>(rows: Uint32Array, of: (rows: Uint32Array) => T): Generator<T> {
  for (let from = 0; from < rows.length; from += BATCH) yield of(rows.subarray(from, from + BATCH));
}

/** At most `most` rows, evenly spaced. */
function spread(rows: Uint32Array, most: number): Uint32Array {
  const count = Math.min(most, rows.length);
  return Uint32Array.from({ length: count }, (_, i) => rows[Math.floor((i * rows.length) / count)] ?? 0);
}
