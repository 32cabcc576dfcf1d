import { createHash } from "node:crypto";
import type { FaceDataset } from "../data/index.js";
import { loadModel } from "../load.js";
import { type Recipe, withoutFolders } from "./recipe.js";

/**
 * What must be equal for a checkpoint to fit: all that the weights come from. Folders may have other names since, so
 * that the pictures and the models are told by their hashes. Throws `ConfigError` where a model is not there.
 *
 * @param dataset as it was read, without the teacher's answers, which are not the same on every processor
 */
export async function identityOf(recipe: Recipe, dataset: FaceDataset): Promise<string> {
  const { name, summary, licence, limits, keep, mirror, calibratePrior, ...decisive } =
    withoutFolders(recipe);
  return JSON.stringify({
    ...decisive,
    labels: dataset.labels,
    pictures: hashOf(dataset),
    ...(recipe.from !== undefined && { "weights of from": await weightsOf(recipe.from) }),
    ...(recipe.teacher && { "weights of teacher": await weightsOf(recipe.teacher.model) }),
  });
}

function hashOf({ images, label, split, soft = new Float32Array() }: FaceDataset): string {
  const hash = createHash("sha256");
  for (const array of [images, label, split, soft]) hash.update(array);
  return hash.digest("hex");
}

async function weightsOf(model: string): Promise<string | undefined> {
  const { files } = (await loadModel(model, process.cwd())).card;
  return files.find(({ kind }) => kind === "onnx")?.sha256;
}
