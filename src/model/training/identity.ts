import { createHash } from "node:crypto";
import type { FaceDataset } from "../data/index.js";
import { loadModel } from "../load.js";
import { type Recipe, withoutFolders } from "./recipe.js";

/**
 * Everything that determines the weights, and so must be the same to resume from a checkpoint. Folders may have been
 * renamed since, so pictures and models are identified by their hashes. Throws `ConfigError` if a model is not found.
 *
 * @param dataset as it was read, without the teacher's predictions, which differ between processors
 */
export async function identityOf(recipe: Recipe, dataset: FaceDataset): Promise<string> {
  const { name, summary, licence, limits, keep, mirror, calibratePrior, ...decisive } =
    withoutFolders(recipe);
  return JSON.stringify({ ...decisive, ...(await sourcesOf(recipe, dataset)) });
}

/** What the files and folders that the recipe names hold. Throws `ConfigError` if a model is not found. */
export async function sourcesOf(
  { from, teacher }: Recipe,
  dataset: FaceDataset,
): Promise<Readonly<Record<string, unknown>>> {
  return {
    labels: dataset.labels,
    pictures: hashOf(dataset),
    ...(from !== undefined && { "weights of from": await weightsOf(from) }),
    ...(teacher && { "weights of teacher": await weightsOf(teacher.model) }),
  };
}

/** Small enough for one call: Node's hashes refuse 2 GiB. */
const HASHED_AT_ONCE = 2 ** 24;

function hashOf({ images, label, split, soft = new Float32Array() }: FaceDataset): string {
  const hash = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of [images, label, split, soft])
    for (let at = 0; at < byteLength; at += HASHED_AT_ONCE)
      hash.update(new Uint8Array(buffer, byteOffset + at, Math.min(HASHED_AT_ONCE, byteLength - at)));
  return hash.digest("hex");
}

async function weightsOf(model: string): Promise<string | undefined> {
  const { files } = (await loadModel(model, process.cwd())).card;
  return files.find(({ kind }) => kind === "onnx")?.sha256;
}
