import { ModelError, messageOf, OperatorError } from "../../errors.js";
import { refuseLoops } from "../onnx/read.js";
import { env, InferenceSession, Tensor } from "../onnx/runtime.js";
import type { Backend, EngineSetup, Provider } from "./engine.js";

/** onnxruntime on the CPU, or on a GPU through WebGPU (Vulkan) or CUDA. Falls back to the CPU unless `strict`. */
export async function openOnnx(setup: EngineSetup): Promise<Backend> {
  const model = setup.files[0] ?? new Uint8Array();
  refuseLoops(model);
  const { session, provider, warning } = await openSession(model, setup);
  checkShapes(session, setup);
  return {
    provider: `onnx ${provider}`,
    ...(warning !== undefined && { warning }),
    run: async (crops, n) => {
      const input = new Tensor("float32", crops, [n, 1, setup.height, setup.width]);
      const { probabilities } = await session.run({ input }, ["probabilities"]);
      if (!probabilities) throw new ModelError("MODEL_SHAPE", "the model returned no `probabilities`");
      return probabilities.data as Float32Array; // type checked by checkShapes
    },
  };
}

interface Opened {
  readonly session: InferenceSession;
  readonly provider: Provider;
  readonly warning?: string;
}

env.logLevel = "fatal"; // errors are reported once, in our own words

async function openSession(model: Uint8Array, setup: EngineSetup): Promise<Opened> {
  const { provider, threads } = setup;
  const open = (name: Provider) =>
    InferenceSession.create(model, {
      executionProviders: [name], // a list with a fallback throws if the first is missing
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      extra: {
        session: {
          load_model_format: "ONNX", // the format that was searched for loops, and no other that starts like it
          // Threads that spin while waiting would take the cores that detection needs.
          intra_op: { allow_spinning: "0" },
        },
      },
    });
  if (provider === "cpu") return { session: await openOrRefuse(() => open("cpu")), provider };
  try {
    return { session: await open(provider), provider };
  } catch (error) {
    const why = `onnxruntime cannot use ${provider} here: ${firstLine(messageOf(error))}`;
    if (setup.strict)
      throw new OperatorError("ENGINE_PROVIDER", `${why}; remove \`strict\` to run on the CPU`);
    return {
      session: await openOrRefuse(() => open("cpu")),
      provider: "cpu",
      warning: `${why}; running on the CPU`,
    };
  }
}

async function openOrRefuse(open: () => Promise<InferenceSession>): Promise<InferenceSession> {
  try {
    return await open();
  } catch (error) {
    throw new ModelError("MODEL_FILE", `onnxruntime cannot load the model: ${firstLine(messageOf(error))}`);
  }
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0] ?? text;
}

/** Throws `ModelError` unless the graph's input and output match the card. */
function checkShapes(session: InferenceSession, { width, height, classes }: EngineSetup): void {
  const input = session.inputMetadata.find(({ name }) => name === "input");
  const output = session.outputMetadata.find(({ name }) => name === "probabilities");
  if (!fits(input, [undefined, 1, height, width]) || session.inputMetadata.length !== 1)
    throw new ModelError(
      "MODEL_SHAPE",
      `the model takes ${described(session.inputMetadata)}, but its card says input float32 [N, 1, ${height}, ${width}]`,
    );
  if (!fits(output, [undefined, classes]))
    throw new ModelError(
      "MODEL_SHAPE",
      `the model returns ${described(session.outputMetadata)}, but its card says probabilities float32 [N, ${classes}]`,
    );
}

type ValueMetadata = InferenceSession["inputMetadata"][number];

/** The batch size must be a symbol, all other sizes must match. */
function fits(value: ValueMetadata | undefined, sizes: readonly (number | undefined)[]): boolean {
  if (!value?.isTensor || value.type !== "float32" || value.shape.length !== sizes.length) return false;
  return value.shape.every((size, i) => (i === 0 ? typeof size === "string" : size === sizes[i]));
}

function described(values: readonly ValueMetadata[]): string {
  return values
    .map((value) => `${value.name}${value.isTensor ? ` ${value.type} [${value.shape.join(", ")}]` : ""}`)
    .join(", ");
}
