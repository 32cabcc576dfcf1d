import { type Command, Option } from "commander";
import { ConfigError, ModelError, messageOf } from "../errors.js";
import type { EngineOptions } from "../model/engine/index.js";
import type { ModelPart } from "../model/folder.js";
import type { Model, ModelFileKind } from "../model/load.js";
import { plural } from "../text.js";
import { refuseUnknown } from "./groups.js";
import { modelText } from "./model-text.js";
import * as quantize from "./quantize.js";
import { printable } from "./terminal.js";

/** Help text of the model argument. */
const WHICH = "name of a shipped model, or path of a model's folder";

export function register(program: Command): void {
  const models = program
    .command("models")
    .description("Lists, shows, checks, exports and quantizes models.")
    .addHelpText(
      "after",
      "\nExit codes: 0 success, 1 a model or the data is damaged, 2 wrong usage or unknown model.\n\nExamples:\n  $ pipeline models\n  $ pipeline models show fer2013-small\n  $ pipeline models check ./runs/mine/model\n  $ pipeline models export fer2013-small --format tfjs -o out/fer2013-small-tfjs\n  $ pipeline models quantize ./runs/mine/model --data faces/ -o out/mine-int8",
    );
  models
    .command("list", { isDefault: true })
    .description("Lists the shipped models.")
    .option("--json", "prints one JSON list")
    .allowExcessArguments()
    .action((flags: { json?: boolean }, command: Command) => {
      refuseUnknown(models, command);
      return list(flags);
    });
  models
    .command("show")
    .description("Shows a model's card.")
    .argument("<model>", WHICH)
    .option("--json", "prints the card as it is")
    .action(show);
  models
    .command("check")
    .description("Checks sizes, hashes and shapes, and runs each format of the model once.")
    .argument("[models...]", `${WHICH}; default: all shipped models`)
    .action(check);
  models
    .command("export")
    .description(
      "Exports a model in one format, checked and with its card, to a folder that can be used as a model.",
    )
    .argument("<model>", WHICH)
    .addOption(
      new Option(
        "--format <format>",
        "onnx, or tfjs: TensorFlow.js's layers format, for `engine: tfjs` and for browsers",
      )
        .choices(["onnx", "tfjs"])
        .makeOptionMandatory(),
    )
    .requiredOption(
      "-o, --out <folder>",
      "folder to write to; in the model's own folder, the format is added to the others",
    )
    .option("--force", quantize.FORCE_HELP)
    .action(exportModel);
  quantize.register(models, WHICH);
}

async function load(nameOrPath: string): Promise<Model> {
  const { loadModel } = await import("../model/load.js");
  return loadModel(nameOrPath, process.cwd());
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const { shippedModels } = await import("../model/load.js");
  const cards = await Promise.all(shippedModels().map(async (name) => (await load(name)).card));
  if (json) process.stdout.write(`${JSON.stringify(cards, null, 2)}\n`);
  else
    for (const { name, version, parameters, metrics, summary } of cards) {
      const plain = metrics.find(({ flip, precision }) => !flip && !precision) ?? metrics[0];
      const accuracy = plain
        ? `${(plain.accuracy * 100).toFixed(1)} % on ${plain.dataset} ${plain.split}`
        : "not measured";
      process.stdout.write(
        printable(
          `${name} ${version}  ${(parameters / 1e6).toFixed(2)} M parameters, ${accuracy}\n  ${summary}\n`,
        ),
      );
    }
}

async function show(nameOrPath: string, { json }: { json?: boolean }): Promise<void> {
  const { card } = await load(nameOrPath);
  process.stdout.write(json ? `${JSON.stringify(card, null, 2)}\n` : printable(modelText(card)));
}

async function check(names: string[]): Promise<void> {
  const { modelFile, shippedModels } = await import("../model/load.js");
  const wrong: string[] = [];
  let unknown = false;
  for (const name of names.length > 0 ? names : shippedModels())
    try {
      const model = await load(name);
      const kinds = model.card.files.map(({ kind }) => kind);
      for (const kind of kinds) await modelFile(model, kind);
      const providers = await runOnce(model);
      process.stdout.write(
        printable(`${name}: ok, ${plural(kinds.length, "file")}, runs on ${providers.join("; ")}\n`),
      );
    } catch (error) {
      wrong.push(messageOf(error));
      unknown ||= error instanceof ConfigError && error.code === "MODEL_MISSING";
    }
  if (wrong.length > 0) throw new (unknown ? ConfigError : ModelError)("MODEL_CHECK", wrong.join("\n"));
}

/** Opens an engine, which runs the model once, for each format of its files; returns the engines' providers. */
async function runOnce(model: Model): Promise<string[]> {
  const { openEngine } = await import("../model/engine/index.js");
  const has = (kind: ModelFileKind) => model.card.files.some((file) => file.kind === kind);
  const forms: EngineOptions[] = [
    ...(has("onnx") || !has("tfjs") ? [{}] : []), // a model has one of the two
    ...(has("onnx-int8") ? [{ precision: "int8" } as const] : []),
    ...(has("tfjs") ? [{ engine: "tfjs" } as const] : []),
  ];
  const providers: string[] = [];
  for (const form of forms) {
    const engine = await openEngine(model, form);
    await engine.close();
    providers.push(engine.provider);
  }
  return providers;
}

async function exportModel(
  nameOrPath: string,
  flags: { format: "onnx" | "tfjs"; out: string; force?: boolean },
): Promise<void> {
  const { format, out, force = false } = flags;
  const model = await load(nameOrPath);
  const { checkModelOut, filesKept } = await import("./model-out.js");
  await checkModelOut(model, out, force);
  const parts = await (format === "onnx" ? onnxParts : tfjsParts)(model);
  const { writeModelFolder } = await import("../model/folder.js");
  const { reloaded } = await import("../model/load.js");
  const now = await reloaded(model, "onnx", "while it was exported; export it again");
  await writeModelFolder(out, now.card, [...(await filesKept(now, out, parts)), ...parts]);
  process.stdout.write(printable(`${out}: ${parts.map(({ path }) => path).join(", ")}, card.json\n`));
}

async function onnxParts(model: Model): Promise<ModelPart[]> {
  const { modelFile } = await import("../model/load.js");
  await modelFile(model, "onnx"); // throws if it has none
  const kinds = model.card.files.filter(({ kind }) => kind === "onnx" || kind === "onnx-int8");
  return Promise.all(
    kinds.map(async ({ path, kind }) => ({ path, kind, bytes: await modelFile(model, kind) })),
  );
}

async function tfjsParts(model: Model): Promise<ModelPart[]> {
  const { tfjsFiles, WEIGHTS_FILE } = await import("../model/tfjs/index.js");
  const { json, weights } = await tfjsFiles(model);
  return [
    { path: "model.json", kind: "tfjs", bytes: json },
    { path: WEIGHTS_FILE, kind: "tfjs-weights", bytes: weights },
  ];
}
