import { parentPort, workerData } from "node:worker_threads";
import { EkspresiError, ModelError, messageOf } from "../../errors.js";
import { type Backend, CLOSE, type EngineAnswer, type EngineJob, type EngineSetup } from "./engine.js";

/**
 * Opens the backend and runs it before the first real batch: kernels are chosen and memory is allocated on first use.
 */
async function open(setup: EngineSetup): Promise<Backend> {
  const backend =
    setup.engine === "onnx"
      ? await (await import("./onnx.js")).openOnnx(setup)
      : await (await import("./tfjs.js")).openTfjs(setup);
  for (const n of [1, 8])
    check(await backend.run(new Float32Array(n * setup.width * setup.height), n), n * setup.classes);
  return backend;
}

async function serve(): Promise<void> {
  const port = parentPort;
  if (!port) return;
  const setup = workerData as EngineSetup;
  const answer = (message: EngineAnswer, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer);
  let backend: Backend;
  try {
    backend = await open(setup);
  } catch (error) {
    const code = error instanceof EkspresiError ? error.code : "ENGINE_START";
    answer({ kind: "refused", code, message: messageOf(error) });
    return;
  }
  const { provider, warning } = backend;
  answer({ kind: "ready", provider, ...(warning !== undefined && { warning }) });

  let before = Promise.resolve();
  let closing = false;
  port.on("message", (job: EngineJob | typeof CLOSE) => {
    if (job === CLOSE) {
      closing = true;
      before = before.then(() => port.close());
      return;
    }
    const { buffer, n } = job;
    before = before.then(async () => {
      if (closing) return;
      try {
        const crops = new Float32Array(buffer, 0, n * setup.width * setup.height);
        const probabilities = check(await backend.run(crops, n), n * setup.classes);
        answer({ kind: "done", probabilities, buffer }, [buffer, probabilities.buffer]);
      } catch (error) {
        answer({ kind: "failed", message: messageOf(error), buffer }, [buffer]);
      }
    });
  });
}

/** Throws unless there are `length` finite numbers. Returns an array that owns its buffer. */
function check(values: Float32Array, length: number): Float32Array<ArrayBuffer> {
  if (values.length !== length)
    throw new ModelError("MODEL_OUTPUT", `the model returned ${values.length} numbers instead of ${length}`);
  if (!values.every(Number.isFinite))
    throw new ModelError("MODEL_OUTPUT", "the model returned numbers that are not finite");
  return values.buffer instanceof ArrayBuffer && values.byteLength === values.buffer.byteLength
    ? (values as Float32Array<ArrayBuffer>)
    : Float32Array.from(values);
}

await serve();
