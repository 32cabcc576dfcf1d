import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelCard } from "../card.js";
import type { FaceDataset } from "../data/index.js";
import { inferenceGraph } from "../layers/inference-graph.js";
import type { Layer, Shape } from "../layers/layer.js";
import { isLearnt, multiplyAdds, parametersOf, type Values } from "../layers/parameters.js";
import { NORMALISATION, type Recipe, withoutFolders } from "./recipe.js";

export interface ModelParts {
  readonly folder: string;
  readonly recipe: Recipe;
  readonly dataset: FaceDataset;
  readonly layers: readonly Layer[];
  readonly input: Shape;
  readonly values: Values;
  /** The epoch that the values are of, and how many were made. */
  readonly epoch: number;
  readonly epochs: number;
  readonly elapsedMs: number;
  /** What was added to each class's logit at the end. */
  readonly priorShift?: readonly number[];
}

/** Writes `model.onnx` and `card.json`; metrics are for `pipeline evaluate --card` to add. Gives the folder. */
export async function writeModel(parts: ModelParts): Promise<string> {
  const { folder, recipe, dataset, layers, input } = parts;
  const model = inferenceGraph(layers, input, parts.values, { mirror: recipe.mirror });
  const card: ModelCard = {
    format: 1,
    name: recipe.name,
    version: "1.0.0",
    summary: recipe.summary,
    labels: [...dataset.labels],
    input: { width: dataset.width, height: dataset.height, channels: 1, ...NORMALISATION },
    face: { margin: 0, shiftY: 0 },
    files: [
      {
        path: "model.onnx",
        kind: "onnx",
        bytes: model.length,
        sha256: createHash("sha256").update(model).digest("hex"),
      },
    ],
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
      ...(parts.priorShift && { priorShift: parts.priorShift.map((by) => Math.round(by * 1e4) / 1e4) }),
    },
    metrics: [],
    licence: recipe.licence,
    limits: [...recipe.limits],
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "model.onnx"), model);
  await writeFile(join(folder, "card.json"), `${JSON.stringify(card, null, 2)}\n`);
  return folder;
}
