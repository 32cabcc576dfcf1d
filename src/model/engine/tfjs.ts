import { ConfigError, ModelError, messageOf } from "../../errors.js";
import type { Backend, EngineSetup } from "./engine.js";

// The part of TensorFlow.js that is used here; its packages are optional peers, so their own types may be absent.
interface TfTensor {
  data(): Promise<Float32Array>;
  dispose(): void;
}
interface TfModel {
  readonly inputs: readonly { readonly shape: readonly (number | null)[] }[];
  readonly outputs: readonly { readonly shape: readonly (number | null)[] }[];
  predict(input: TfTensor): TfTensor | TfTensor[];
}
export interface TfModule {
  getBackend(): string;
  ready(): Promise<void>;
  readonly io: { fromMemory(artifacts: object): object };
  loadLayersModel(handler: object): Promise<TfModel>;
  tensor4d(values: Float32Array, shape: [number, number, number, number]): TfTensor;
}

const PACKAGES = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];

/** TensorFlow.js with the first of its native packages that is installed. */
export async function openTfjs(setup: EngineSetup): Promise<Backend> {
  return openTfjsWith(await importTfjs(), setup);
}

/** As `openTfjs`, with a TensorFlow.js of the caller's choice. */
export async function openTfjsWith(tf: TfModule, setup: EngineSetup): Promise<Backend> {
  const { width, height, classes } = setup;
  await tf.ready();
  const model = await readModel(tf, setup);
  const takes = model.inputs[0]?.shape.slice(1).join("x");
  const last = model.outputs.length - 1; // logits may stand before the probabilities
  const gives = model.outputs[last]?.shape.slice(1).join("x");
  if (takes !== `${height}x${width}x1` || gives !== String(classes))
    throw new ModelError(
      "MODEL_SHAPE",
      `the TF.js model takes ${takes} and gives ${gives}; the card says ${height}x${width}x1 and ${classes}`,
    );
  return {
    provider: `tfjs ${tf.getBackend()}`,
    run: async (crops, n) => {
      const input = tf.tensor4d(crops, [n, height, width, 1]); // with one channel the same order as [n, 1, h, w]
      const answer = model.predict(input);
      const outputs = Array.isArray(answer) ? answer : [answer];
      try {
        const data = await outputs[last]?.data();
        return Float32Array.from(data ?? []);
      } finally {
        input.dispose();
        for (const output of outputs) output.dispose();
      }
    },
  };
}

async function readModel(tf: TfModule, { files }: EngineSetup): Promise<TfModel> {
  const [json = new Uint8Array(), weights = new Uint8Array()] = files;
  try {
    const { modelTopology, weightsManifest } = JSON.parse(Buffer.from(json).toString("utf8"));
    const weightSpecs = weightsManifest[0].weights;
    const weightData = weights.slice().buffer;
    return await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
  } catch (cause) {
    throw new ModelError("MODEL_FILE", `TensorFlow.js refuses the model: ${messageOf(cause)}`, { cause });
  }
}

async function importTfjs(): Promise<TfModule> {
  let cause: unknown;
  for (const name of PACKAGES) {
    try {
      const module = (await import(name)) as { default?: TfModule } & TfModule;
      return module.default ?? module;
    } catch (error) {
      cause ??= error;
    }
  }
  throw new ConfigError(
    "TFJS_MISSING",
    `engine tfjs needs ${PACKAGES.join(" or ")}, and neither can be loaded here; run \`npm install ${PACKAGES[0]}\` (with an NVIDIA GPU and CUDA 11) or \`npm install ${PACKAGES[1]}\`, or leave \`engine\` out`,
    { cause },
  );
}
