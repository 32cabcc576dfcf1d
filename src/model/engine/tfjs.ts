import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ConfigError, messageOf, OperatorError } from "../../errors.js";
import { type Model, modelFile } from "../load.js";
import type { Engine } from "./engine.js";

// The part of TensorFlow.js that is used here; its packages are optional peers, so their types may be absent.
interface Tensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface LayersModel {
  predict(input: Tensor): Tensor;
  dispose(): void;
}
export interface TensorFlow {
  tensor4d(values: Float32Array, shape: [number, number, number, number]): Tensor;
  loadLayersModel(url: string): Promise<LayersModel>;
  getBackend?(): string;
}

const PACKAGES = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];

/**
 * TensorFlow.js, on the model exported in its layers format. Throws `ConfigError` where neither package is installed.
 * @param tf TensorFlow.js itself, where the caller has it already (another backend)
 */
export async function openTfjs(model: Model, tf?: TensorFlow): Promise<Engine> {
  const flow = tf ?? (await importTensorFlow());
  await modelFile(model, "tfjs");
  await modelFile(model, "tfjs-weights");
  const { input, name, files } = model.card;
  const file = files.find(({ kind }) => kind === "tfjs")?.path ?? "model.json";
  const layers = await flow.loadLayersModel(pathToFileURL(join(model.folder, file)).href).catch((cause) => {
    throw new OperatorError("ENGINE_START", `model ${name}: TensorFlow.js cannot load it: ${messageOf(cause)}`, { cause });
  });
  return {
    provider: flow.getBackend?.() ?? "tensorflow",
    run: async (crops, count) => {
      const size = input.width * input.height;
      const batch = flow.tensor4d(crops.subarray(0, count * size), [count, input.height, input.width, 1]);
      const output = layers.predict(batch);
      try {
        return await output.data();
      } finally {
        batch.dispose();
        output.dispose();
      }
    },
    close: async () => layers.dispose(),
  };
}

async function importTensorFlow(): Promise<TensorFlow> {
  let cause: unknown;
  for (const name of PACKAGES) {
    try {
      const module = (await import(name)) as { default?: TensorFlow } & TensorFlow;
      return module.default ?? module;
    } catch (error) {
      cause = error;
    }
  }
  throw new ConfigError(
    "TFJS_MISSING",
    `classify: engine tfjs needs ${PACKAGES.join(" or ")}, which are not installed here; run \`npm install ${PACKAGES[1]}\`, or leave \`engine\` out`,
    { cause },
  );
}
