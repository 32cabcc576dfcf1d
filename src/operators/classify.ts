import { type Static, Type } from "typebox";
import { cores } from "../cores.js";
import type { Face, FaceFrame, FaceModel } from "../media/frame.js";
import { argmax } from "../model/argmax.js";
import { Cropper, cropBox } from "../model/crop/index.js";
import { type Engine, openEngine, type Precision } from "../model/engine/index.js";
import { isModelPath, loadModel, type Model, noSuchModel, shippedModels } from "../model/load.js";
import { natsFields } from "../nats/options.js";
import { operator } from "../pipeline/component.js";
import type { EngineStats, RunContext } from "../pipeline/context.js";
import { Duration } from "../pipeline/units.js";
import { batched, type FaceBatch } from "./batcher.js";

const Options = Type.Object({
  model: Type.Optional(
    Type.String({
      "x-path": true,
      default: "fer2013-small",
      description: "Name of a shipped model, or path of a model's folder.",
    }),
  ),
  batch: Type.Optional(
    Type.Object(
      {
        size: Type.Optional(
          Type.Integer({ minimum: 1, maximum: 1024, default: 32, description: "Faces per batch." }),
        ),
        maxWait: Type.Optional(
          Duration({
            description:
              "How long a face waits for its batch to fill. Default: 15ms, or 250ms if all sources are recordings and nothing after this looks at pictures.",
          }),
        ),
      },
      {
        description: "Faces from all sources share batches. Results do not depend on how faces are batched.",
      },
    ),
  ),
  flip: Type.Optional(
    Type.Boolean({
      default: false,
      description: "Averages each face with its mirror image: slightly more accurate, twice the work.",
    }),
  ),
  margin: Type.Optional(
    Type.Number({
      minimum: -0.4,
      maximum: 1,
      description:
        "Margin added on each side of the box, as a fraction of its size. Default: from the model's card.",
    }),
  ),
  engine: Type.Optional(
    Type.Union([Type.Literal("onnx"), Type.Literal("tfjs"), Type.Literal("nats")], {
      default: "onnx",
      description:
        "`onnx`: onnxruntime-node. `tfjs`: TensorFlow.js, with `@tensorflow/tfjs-node-gpu`, `-node` or the WebAssembly backend installed; also for machines that onnxruntime has no build for (Intel Macs, musl). `nats`: the workers of `pipeline worker --inference`, and onnxruntime-node here while none answers.",
    }),
  ),
  nats: Type.Optional(
    Type.Object(
      {
        ...natsFields,
        timeout: Type.Optional(
          Duration({
            default: "1s",
            description: "Longest wait for an answer before another worker is asked.",
          }),
        ),
      },
      { description: "Where `engine: nats` finds the workers." },
    ),
  ),
  provider: Type.Optional(
    Type.Union([Type.Literal("cpu"), Type.Literal("webgpu"), Type.Literal("cuda")], {
      default: "cpu",
      description: "What onnxruntime runs on. If it is unavailable, the CPU is used, with a warning.",
    }),
  ),
  precision: Type.Optional(
    Type.Union([Type.Literal("auto"), Type.Literal("float32"), Type.Literal("int8")], {
      default: "auto",
      description:
        "`int8`: the model's 8-bit file (`pipeline models quantize` makes one), which takes half to two thirds of the time; for `engine: onnx` on the CPU. `auto`: `int8` if the model has that file and the CPU is x64, otherwise `float32`.",
    }),
  ),
  strict: Type.Optional(
    Type.Boolean({
      default: false,
      description: "Fails instead of falling back to the CPU or, with `engine: nats`, to this machine.",
    }),
  ),
  threads: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 256, description: "CPU threads. Default: half of the cores." }),
  ),
});

/** Recognises each face's expression with a CNN. */
export const classify = operator({
  type: "classify",
  summary: "Reads each face's expression.",
  description:
    "Crops from all sources go through one queue, in batches, to one engine in a thread of its own. Frames leave in source order.",
  takes: "faces",
  gives: "faces",
  options: Options,
  check: ({ model, engine = "onnx", provider = "cpu", precision }) => {
    if (precision === "int8" && (engine !== "onnx" || provider !== "cpu"))
      return {
        option: "precision",
        message: "`precision: int8` is for `engine: onnx` with `provider: cpu`; remove one of them",
      };
    const unknown = model !== undefined && !isModelPath(model) && !shippedModels().includes(model);
    return unknown ? { option: "model", message: noSuchModel(model) } : undefined;
  },
  example: "- { type: classify, model: fer2013-small, batch: { size: 32, maxWait: 15ms } }",
  build: async (options, context) => {
    const model = await loadModel(options.model ?? "fer2013-small", context.baseDir);
    const engine = await engineOf(model, options, context);
    context.defer(() => engine.close());
    context.log.debug(`${context.id}: ${model.card.name} ${model.card.version} on ${engine.provider}`);
    const { lastToSee, stats: run } = context;
    const recordings = run.sources.filter(({ live }) => !live).map(({ id }) => id);
    const early = new Set(lastToSee ? recordings : []);
    const { size = 32, maxWait = early.size === run.sources.length ? 250 : 15 } = options.batch ?? {};
    const { name, version } = model.card;
    const stats: EngineStats = {
      id: context.id,
      model: name,
      version,
      provider: engine.provider,
      batches: 0,
      faces: 0,
      busyMs: 0,
    };
    run.engines.push(stats);
    const cropper = new Cropper(model.card.input, context.memory);
    const batch = new CropBatch(model, engine, stats, cropper, size, options);
    const heldBack = context.held * run.sources.length;
    return batched({ size, maxWaitMs: maxWait, early, heldBack }, batch, context.occupancy);
  },
});

async function engineOf(model: Model, options: Static<typeof Options>, context: RunContext): Promise<Engine> {
  const { engine = "onnx", strict = false, provider = "cpu" } = options;
  const log = {
    warn: (message: string) => context.log.warn(`${context.id}: ${message}`),
    info: (message: string) => context.log.info(`${context.id}: ${message}`),
  };
  const openHere = (what: "onnx" | "tfjs") =>
    openEngine(model, {
      engine: what,
      provider,
      precision: precisionOf(model, options),
      threads: options.threads ?? Math.max(1, Math.floor(cores() / 2)),
      strict,
      warn: log.warn,
    });
  if (engine !== "nats") return openHere(engine);
  const { timeout = 1000, ...nats } = options.nats ?? {};
  const { openRemoteEngine } = await import("../inference/index.js"); // loads the NATS client only if needed
  return openRemoteEngine(model, {
    nats,
    timeoutMs: timeout,
    ...(!strict && { openLocal: () => openHere("onnx") }),
    log,
  });
}

/** 8 bits were not measured on other processors; and other workers, which this machine may stand in for, run floats. */
function precisionOf({ card }: Model, options: Static<typeof Options>): Precision {
  const { engine = "onnx", provider = "cpu", precision = "auto" } = options;
  if (precision !== "auto") return precision;
  const possible = engine === "onnx" && provider === "cpu" && process.arch === "x64";
  return possible && card.files.some(({ kind }) => kind === "onnx-int8") ? "int8" : "float32";
}

/** Crops on their way to the engine. */
class CropBatch implements FaceBatch {
  readonly #engine: Engine;
  readonly #stats: EngineStats;
  /** Crops per face: two with its mirror image. */
  readonly #each: 1 | 2;
  readonly #framing: Model["card"]["face"];
  readonly #input: Model["card"]["input"];
  readonly #model: FaceModel;
  readonly #cropper: Cropper;
  readonly #crops: Float32Array;

  constructor(
    model: Model,
    engine: Engine,
    stats: EngineStats,
    cropper: Cropper,
    size: number,
    { flip = false, margin }: Static<typeof Options>,
  ) {
    const { name, version, labels, input, face } = model.card;
    this.#engine = engine;
    this.#stats = stats;
    this.#each = flip ? 2 : 1;
    this.#framing = { ...face, ...(margin !== undefined && { margin }) };
    this.#input = input;
    this.#model = { name, version, labels };
    this.#cropper = cropper;
    this.#crops = new Float32Array(size * this.#each * input.width * input.height);
  }

  cut({ frame }: FaceFrame, face: Face, place: number): void {
    const { width, height } = this.#input;
    const size = width * height;
    const { luma, slot, width: stride, height: rows } = frame;
    const picture = { luma, offset: slot.offset, width: stride, height: rows };
    const at = place * this.#each * size;
    this.#cropper.crop(picture, cropBox(face.box, this.#framing), this.#crops, at);
    if (this.#each === 1) return;
    const mirror = at + size;
    for (let row = 0; row < size; row += width)
      for (let x = 0; x < width; x++)
        this.#crops[mirror + row + x] = this.#crops[at + row + width - 1 - x] ?? 0;
  }

  async run(faces: number): Promise<readonly Partial<Face>[]> {
    const each = this.#each;
    const count = faces * each;
    const { width, height } = this.#input;
    const begunMs = performance.now();
    const values = await this.#engine.run(this.#crops.subarray(0, count * width * height), count); // copied
    this.#stats.provider = this.#engine.provider; // workers come and go
    this.#stats.batches++;
    this.#stats.faces += faces;
    this.#stats.busyMs += performance.now() - begunMs;
    const classes = this.#model.labels.length;
    const results: Partial<Face>[] = [];
    for (let i = 0; i < count; i += each) {
      const probabilities = values.slice(i * classes, (i + 1) * classes);
      if (each === 2)
        for (let c = 0; c < classes; c++)
          probabilities[c] = ((probabilities[c] ?? 0) + (values[(i + 1) * classes + c] ?? 0)) / 2;
      results.push({ probabilities, label: argmax(probabilities), model: this.#model });
    }
    return results;
  }
}
