import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { ConfigError } from "../errors.js";

interface Flags {
  readonly out: string;
  readonly name?: string;
  readonly mirror?: boolean;
}

/** @param which how the verb is told which model */
export function register(models: Command, which: string): void {
  models
    .command("ensemble")
    .description("Makes one model of several: its logits are the mean of theirs.")
    .argument("<models...>", which)
    .requiredOption("-o, --out <folder>", "folder to write to")
    .option("--name <name>", "the model's name (default: the folder's)")
    .option("--mirror", "averages over each picture and its mirror image too: twice the work")
    .addHelpText(
      "after",
      `
Networks trained from other seeds are wrong about other pictures, so that their mean is right more often than each.

Example:
  $ pipeline models ensemble ./runs/a/model ./runs/b/model -o out/both --mirror
  $ pipeline evaluate ./out/both --data faces/ --card`,
    )
    .action(action);
}

async function action(namesOrPaths: readonly string[], { out, name, mirror = false }: Flags): Promise<void> {
  const { ensembleCard, ensembleGraph } = await import("../model/ensemble.js");
  const { writeModelFolder } = await import("../model/folder.js");
  const { loadModel, modelFile } = await import("../model/load.js");
  const { readGraph } = await import("../model/onnx/read.js");

  const called = name ?? basename(resolve(out));
  if (!/^[a-z0-9][a-z0-9-]*$/.test(called))
    throw new ConfigError("MODEL_NAME", `--name ${called}: use small letters, digits and dashes`);
  const members = await Promise.all(
    namesOrPaths.map(async (nameOrPath) => {
      const model = await loadModel(nameOrPath, process.cwd());
      const bytes = await modelFile(model, "onnx");
      return { card: model.card, graph: readGraph(bytes, `model ${model.card.name}`) };
    }),
  );
  const card = ensembleCard(members, called, mirror);
  await writeModelFolder(out, card, [
    { path: "model.onnx", kind: "onnx", bytes: ensembleGraph(members, mirror) },
  ]);
  process.stdout.write(`${out}: ${card.summary}\n`);
}
