import type { Command } from "commander";
import { ConfigError, ModelError, messageOf } from "../errors.js";
import type { Model } from "../model/load.js";
import { count } from "./format.js";

/** How the verb is told which model. */
const WHICH = "name of a model that comes along, or the path of a model's folder";

export function register(program: Command): void {
  const models = program
    .command("models")
    .description("Lists, shows, checks and exports models.")
    .addHelpText(
      "after",
      "\nExamples:\n  $ pipeline models\n  $ pipeline models show fer2013-small\n  $ pipeline models check ./runs/mine/model",
    );
  models
    .command("list", { isDefault: true })
    .description("Lists the models that come along.")
    .option("--json", "prints one JSON list")
    .action(list);
  models
    .command("show")
    .description("Shows a model's card.")
    .argument("<model>", WHICH)
    .option("--json", "prints the card as it is")
    .action(show);
  models
    .command("check")
    .description("Checks sizes, hashes and shapes, and runs the model once.")
    .argument("[models...]", `${WHICH}; default: all that come along`)
    .action(check);
  models
    .command("export")
    .description("Copies a model in one format, checked, with its card.")
    .argument("<model>", WHICH)
    .requiredOption("--format <format>", "onnx or tfjs")
    .requiredOption("-o, --out <folder>", "folder to write to")
    .action(exportModel);
}

async function load(nameOrPath: string): Promise<Model> {
  const { loadModel } = await import("../model/load.js");
  return loadModel(nameOrPath, process.cwd());
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const { shippedModels } = await import("../model/load.js");
  const cards = await Promise.all((await shippedModels()).map(async (name) => (await load(name)).card));
  if (json) process.stdout.write(`${JSON.stringify(cards, null, 2)}\n`);
  else
    for (const { name, version, parameters, metrics, summary } of cards) {
      const best = metrics.at(-1);
      const accuracy = best
        ? `${(best.accuracy * 100).toFixed(1)} % on ${best.dataset} ${best.split}`
        : "not measured";
      process.stdout.write(
        `${name} ${version}  ${(parameters / 1e6).toFixed(2)} M parameters, ${accuracy}\n  ${summary}\n`,
      );
    }
}

async function show(nameOrPath: string, { json }: { json?: boolean }): Promise<void> {
  const { card } = await load(nameOrPath);
  process.stdout.write(json ? `${JSON.stringify(card, null, 2)}\n` : described(card));
}

function described(card: Model["card"]): string {
  const { input, face } = card;
  const lines = [
    `${card.name} ${card.version}`,
    card.summary,
    "",
    `labels      ${card.labels.join(", ")}`,
    `input       ${input.width}x${input.height} grey, pixel * ${input.scale} + ${input.offset}`,
    `face        margin ${face.margin} of the box on each side, moved down by ${face.shiftY}`,
    `size        ${count(card.parameters)} parameters, ${count(card.multiplyAdds)} multiply-adds a face`,
    ...card.files.map(({ path, kind, bytes }) => `file        ${path} (${kind}, ${count(bytes)} bytes)`),
    ...card.metrics.map(
      ({ dataset, split, flip, images, accuracy, macroF1, ece }) =>
        `measured    ${dataset} ${split}${flip ? " with mirror image" : ""}: accuracy ${(accuracy * 100).toFixed(2)} %, macro F1 ${(macroF1 * 100).toFixed(2)} %, calibration error ${(ece * 100).toFixed(1)} %, ${count(images)} pictures`,
    ),
    `licence     ${card.licence}`,
    ...card.limits.map((limit) => `limit       ${limit}`),
  ];
  return `${lines.join("\n")}\n`;
}

async function check(names: string[]): Promise<void> {
  const { modelFile, shippedModels } = await import("../model/load.js");
  const { openEngine } = await import("../model/engine/index.js");
  const wrong: string[] = [];
  for (const name of names.length > 0 ? names : await shippedModels())
    try {
      const model = await load(name);
      for (const { kind } of model.card.files) await modelFile(model, kind);
      const engine = await openEngine(model);
      await engine.close();
      process.stdout.write(`${name}: fine, ${model.card.files.length} files, runs on ${engine.provider}\n`);
    } catch (error) {
      wrong.push(messageOf(error));
    }
  if (wrong.length > 0) throw new ModelError("MODEL_CHECK", wrong.join("\n"));
}

async function exportModel(nameOrPath: string, flags: { format: string; out: string }): Promise<void> {
  const { format, out } = flags;
  if (format !== "onnx" && format !== "tfjs")
    throw new ConfigError("FORMAT", `--format ${format}: it must be onnx or tfjs`);
  const { mkdir, writeFile } = await import("node:fs/promises");
  const { join } = await import("node:path");
  const { modelFile } = await import("../model/load.js");
  const model = await load(nameOrPath);
  const files = model.card.files.filter(({ kind }) => kind === format || kind === `${format}-weights`);
  if (files.length === 0)
    throw new ModelError(
      "MODEL_FORMAT",
      `model ${model.card.name}: it has no ${format} files; it has ${model.card.files.map(({ kind }) => kind).join(", ")}`,
    );
  const contents = await Promise.all(files.map(({ kind }) => modelFile(model, kind)));
  await mkdir(out, { recursive: true });
  for (const [i, { path }] of files.entries())
    await writeFile(join(out, path), contents[i] ?? new Uint8Array());
  await writeFile(join(out, "card.json"), `${JSON.stringify({ ...model.card, files }, null, 2)}\n`);
  process.stdout.write(`${out}: ${files.map(({ path }) => path).join(", ")}, card.json\n`);
}
