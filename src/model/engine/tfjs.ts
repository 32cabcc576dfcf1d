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
interface TfModule {
  getBackend(): string;
  ready(): Promise<void>;
  readonly io: { fromMemory(artifacts: object): object };
  loadLayersModel(handler: object): Promise<TfModel>;
  tensor4d(values: Float32Array, shape: [number, number, number, number]): TfTensor;
}

/** Ways to install TensorFlow.js, fastest first: a native package, or its parts with the WebAssembly backend. */
const INSTALLATIONS: readonly (readonly string[])[] = [
  ["@tensorflow/tfjs-node-gpu"],
  ["@tensorflow/tfjs-node"],
  ["@tensorflow/tfjs-core", "@tensorflow/tfjs-layers", "@tensorflow/tfjs-backend-wasm"],
];

/** Opens the installed TensorFlow.js. Throws `ConfigError` if it is not installed. */
export async function openTfjs(setup: EngineSetup, installations = INSTALLATIONS): Promise<Backend> {
  const tf = await importTfjs(installations);
  const { width, height, classes } = setup;
  await tf.ready();
  const model = await readModel(tf, setup);
  const takes = model.inputs[0]?.shape.slice(1).join("x");
  const last = model.outputs.length - 1; // logits may come before the probabilities
  const gives = model.outputs[last]?.shape.slice(1).join("x");
  if (takes !== `${height}x${width}x1` || gives !== String(classes))
    throw new ModelError(
      "MODEL_SHAPE",
      `the TF.js model takes ${takes} and gives ${gives}, but its card says ${height}x${width}x1 and ${classes}`,
    );
  return {
    provider: `tfjs ${tf.getBackend()}`,
    run: async (crops, n) => {
      const input = tf.tensor4d(crops, [n, height, width, 1]); // with one channel, same order as [n, 1, h, w]
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
    const weightData = Uint8Array.from(weights).buffer; // `Buffer.slice` does not copy
    return await tf.loadLayersModel(tf.io.fromMemory({ modelTopology, weightSpecs, weightData }));
  } catch (cause) {
    const [why = ""] = messageOf(cause).split("\n", 1);
    throw new ModelError("MODEL_FILE", `TensorFlow.js cannot load the model: ${why}`, { cause });
  }
}

async function importTfjs(installations: readonly (readonly string[])[]): Promise<TfModule> {
  let cause: unknown;
  for (const names of installations) {
    try {
      const modules = await Promise.all(names.map((name) => import(name) as Promise<Partial<TfModule>>));
      const tf = Object.assign({}, ...modules.map(contents)) as TfModule & {
        setBackend?(name: string): unknown;
      };
      if (names.length > 1) await tf.setBackend?.("wasm");
      return tf;
    } catch (error) {
      cause ??= error;
    }
  }
  throw new ConfigError(
    "TFJS_MISSING",
    `engine tfjs needs TensorFlow.js, which cannot be loaded; run ${installations.map((names) => `\`npm install ${names.join(" ")}\``).join(" or ")}, or remove \`engine\``,
    { cause },
  );
}

/** What a module exports; a CommonJS module has all of it under `default`. */
function contents(module: object): object {
  return { ...("default" in module ? (module.default as object) : {}), ...module };
}
