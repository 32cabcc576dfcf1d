import { parentPort, workerData } from "node:worker_threads";
import * as ort from "onnxruntime-node";
import { messageOf } from "../../errors.js";
import type { Provider } from "./engine.js";

export interface WorkerSetup {
  readonly model: Uint8Array;
  readonly provider: Provider;
  readonly threads: number;
  readonly width: number;
  readonly height: number;
  readonly classes: number;
}

export type Request = { readonly crops: Float32Array<ArrayBuffer>; readonly count: number };

export type Reply =
  | { readonly ready: true }
  | { readonly probabilities: Float32Array<ArrayBuffer> }
  | { readonly error: string };

const port = parentPort;
if (port) {
  const { model, provider, threads, width, height, classes } = workerData as WorkerSetup;
  const send = (reply: Reply, transfer: ArrayBuffer[] = []) => port.postMessage(reply, transfer);
  try {
    const session = await ort.InferenceSession.create(model, {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
    });
    const infer = async (crops: Float32Array, count: number): Promise<Float32Array<ArrayBuffer>> => {
      const input = new ort.Tensor("float32", crops, [count, 1, height, width]);
      const { probabilities } = await session.run({ input }, ["probabilities"]);
      if (!probabilities || probabilities.size !== count * classes)
        throw new Error(`the model gave ${probabilities?.size ?? 0} values for ${count} crops of ${classes} classes`);
      const values = (await probabilities.getData()) as Float32Array;
      if (!values.every(Number.isFinite)) throw new Error("the model gave values that are not numbers");
      return Float32Array.from(values);
    };
    await infer(new Float32Array(width * height), 1); // the first run is slow: it is done before anything waits
    port.on("message", ({ crops, count }: Request) => {
      infer(crops.subarray(0, count * width * height), count).then(
        (probabilities) => send({ probabilities }, [probabilities.buffer]),
        (error: unknown) => send({ error: messageOf(error) }),
      );
    });
    send({ ready: true });
  } catch (error) {
    send({ error: messageOf(error) });
  }
}
