import { parentPort, workerData } from "node:worker_threads";
import { Random } from "../data/random.js";
import type { Layer, Shape } from "../layers/layer.js";
import { isLearnt, type Parameter } from "../layers/parameters.js";
import { type Mask, trainingGraph } from "../layers/training-graph.js";
import { InferenceSession, Tensor } from "../onnx/runtime.js";

/** Passed to a thread when it starts. */
export interface StepSetup {
  readonly layers: readonly Layer[];
  readonly input: Shape;
  /** Pictures per part. */
  readonly pictures: number;
  readonly seed: number;
  /** In the order of `weights`, learnt ones first. */
  readonly parameters: readonly Parameter[];
  /** The network's weights, in shared memory; they do not change while parts are running. */
  readonly weights: Float32Array<SharedArrayBuffer>;
  /** In shared memory: `weights.length` numbers for each part, its gradient followed by its batch statistics. */
  readonly results: Float32Array<SharedArrayBuffer>;
}

/** One part of a batch: `x` [pictures,C,H,W], `y` [pictures,classes] (targets times the picture's weight). */
export interface PartJob {
  readonly part: number;
  readonly step: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/** The mean loss over the part, and its logits [pictures,classes]. */
export interface PartAnswer {
  readonly loss: number;
  readonly logits: Float32Array;
}

/** Asks a thread to end: terminating it while onnxruntime is running would crash the process. */
export const CLOSE = "close";

/** Stream of random numbers for dropout. */
const DROPOUT = 101;

const { layers, input, pictures, seed, parameters, weights, results } = workerData as StepSetup;
const { model, masks } = trainingGraph(layers, input, pictures);
const session = await InferenceSession.create(model, { intraOpNumThreads: 1, interOpNumThreads: 1 });
/** The thread's copy of the weights, which onnxruntime reads in place. */
const own = new Float32Array(weights.length);
const weightFeeds = Object.fromEntries(weightTensors());

parentPort?.on("message", async (job: PartJob | typeof CLOSE) => {
  if (job === CLOSE) {
    await session.release();
    parentPort?.close();
    return;
  }
  const { part, step, x, y } = job;
  own.set(weights);
  const feeds: Record<string, Tensor> = {
    x: new Tensor("float32", x, [pictures, ...input]),
    y: new Tensor("float32", y, [pictures, y.length / pictures]),
    ...weightFeeds,
  };
  const random = new Random(seed, DROPOUT, step, part);
  for (const mask of masks) feeds[mask.name] = dropoutMask(mask, random);
  const outputs = await session.run(feeds);
  const read = (name: string) => outputs[name]?.data as Float32Array;
  let start = part * weights.length;
  for (const parameter of parameters) {
    results.set(read(`${isLearnt(parameter) ? "gradient" : "batch"}:${parameter.name}`), start);
    start += parameter.size;
  }
  const answer: PartAnswer = { loss: read("loss")[0] ?? Number.NaN, logits: read("logits") };
  parentPort?.postMessage(answer);
});

function* weightTensors(): Generator<[string, Tensor]> {
  let start = 0;
  for (const { name, dims, size } of parameters.filter(isLearnt)) {
    yield [name, new Tensor("float32", own.subarray(start, start + size), dims)];
    start += size;
  }
}

function dropoutMask({ dims, rate }: Mask, random: Random): Tensor {
  const mask = new Float32Array(dims.reduce((a, b) => a * b, 1));
  const kept = 1 / (1 - rate);
  for (let i = 0; i < mask.length; i++) mask[i] = random.next() < rate ? 0 : kept;
  return new Tensor("float32", mask, dims);
}
