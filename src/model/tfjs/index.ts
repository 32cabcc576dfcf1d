import { type Model, modelFile } from "../load.js";
import { readGraph } from "../onnx/read.js";
import { tfjsModel } from "./convert.js";
import type { TfjsFiles } from "./layers-model.js";

export { tfjsModel } from "./convert.js";
export { type TfjsFiles, WEIGHTS_FILE } from "./layers-model.js";

/** A model in TF.js's layers format: its own files, or converted from its ONNX file. Throws `ModelError`. */
export async function tfjsFiles(model: Model): Promise<TfjsFiles> {
  const { name, files, input } = model.card;
  if (files.some(({ kind }) => kind === "tfjs"))
    return { json: await modelFile(model, "tfjs"), weights: await modelFile(model, "tfjs-weights") };
  return tfjsModel(readGraph(await modelFile(model, "onnx"), name), input.height, input.width, name);
}
