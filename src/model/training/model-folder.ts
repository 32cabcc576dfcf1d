import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { EkspresiError } from "../../errors.js";
import type { ModelCard } from "../card.js";
import type { FaceDataset } from "../data/index.js";
import { writeModelFolder } from "../folder.js";
import { inferenceGraph } from "../layers/inference-graph.js";
import type { Layer, Shape } from "../layers/layer.js";
import { isLearnt, multiplyAdds, parametersOf, type Values } from "../layers/parameters.js";
import { loadModel, modelFile } from "../load.js";
import { NORMALISATION, type Recipe, withoutFolders } from "./recipe.js";

export interface ModelParts {
  readonly folder: string;
  readonly recipe: Recipe;
  /** Everything that determined the weights. */
  readonly identity: string;
  readonly dataset: FaceDataset;
  readonly layers: readonly Layer[];
  readonly input: Shape;
  readonly values: Values;
  /** The epoch that the values are from, and the number of epochs trained. */
  readonly epoch: number;
  readonly epochs: number;
  readonly elapsedMs: number;
  /** What was added to each class's logit at the end. */
  readonly priorShift?: readonly number[];
}

/** Writes `model.onnx` and `card.json`, without metrics: `pipeline evaluate --card` adds them. Returns the folder. */
export async function writeModel(parts: ModelParts): Promise<string> {
  const { folder, recipe, dataset, layers, input } = parts;
  const model = inferenceGraph(layers, input, parts.values, { mirror: recipe.mirror });
  const card: Omit<ModelCard, "files"> = {
    format: 1,
    name: recipe.name,
    version: "1.0.0",
    summary: recipe.summary,
    labels: [...dataset.labels],
    input: { width: dataset.width, height: dataset.height, channels: 1, ...NORMALISATION },
    face: { margin: 0, shiftY: 0 },
    parameters: parametersOf(layers, input)
      .filter(isLearnt)
      .reduce((sum, { size }) => sum + size, 0),
    multiplyAdds: multiplyAdds(layers, input) * (recipe.mirror ? 2 : 1),
    training: {
      data: dataset.name,
      seed: recipe.seed,
      epoch: parts.epoch,
      epochs: parts.epochs,
      hours: Math.round(parts.elapsedMs / 36_000) / 100,
      software: "pipeline train",
      recipe: withoutFolders(recipe),
      run: hashOf(parts.identity),
      ...(parts.priorShift && { priorShift: parts.priorShift.map((by) => Math.round(by * 1e4) / 1e4) }),
    },
    metrics: [],
    licence: recipe.licence,
    limits: [...recipe.limits],
  };
  await writeModelFolder(folder, card, [{ path: "model.onnx", kind: "onnx", bytes: model }]);
  return folder;
}

/**
 * Whether the folder holds an intact model of this very run: with `--force`, an earlier one of the same recipe but other
 * pictures stays until the new one is written.
 */
export async function isModelOf(folder: string, recipe: Recipe, identity: string): Promise<boolean> {
  try {
    const model = await loadModel(resolve(folder), process.cwd());
    await modelFile(model, "onnx");
    const { training } = model.card;
    const isRun = training.run === undefined || training.run === hashOf(identity); // older cards lack it
    return isRun && isDeepStrictEqual(training.recipe, withoutFolders(recipe));
  } catch (error) {
    if (error instanceof EkspresiError) return false;
    throw error;
  }
}

function hashOf(identity: string): string {
  return createHash("sha256").update(identity).digest("hex");
}
