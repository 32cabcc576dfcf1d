// @vladmandic/human on its tfjs-wasm backend: a whole recording, or its emotion model alone.
//   human.mjs job FFMPEG VIDEO WIDTH HEIGHT OUT.jsonl    prints {"frames","faces"}
//   human.mjs model                                      answers {"n","times"} with {"seconds","cpuSeconds"}, and
//                                                        {"n","pixels"} (grey 48x48, base64) with {"labels"}
import { spawn } from "node:child_process";
import { openAsBlob } from "node:fs";
import { open } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const require = createRequire(import.meta.url);
// Human reads its models with fetch, which in Node does not support files.
const fetched = globalThis.fetch;
globalThis.fetch = async (url, options) =>
  String(url).startsWith("file:")
    ? new Response(await openAsBlob(fileURLToPath(url)))
    : fetched(url, options);

// Its package has no wasm entry point for Node.
const folder = new URL("node_modules/@vladmandic/human/", import.meta.url);
const { Human } = require(fileURLToPath(new URL("dist/human.node-wasm.js", folder)));
const human = new Human({
  backend: "wasm",
  wasmPath: join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")), "/"),
  modelBasePath: new URL("models/", folder).href,
  cacheSensitivity: 0, // look at every frame, as we do
  debug: false,
  filter: { enabled: false },
  gesture: { enabled: false },
  body: { enabled: false },
  hand: { enabled: false },
  face: {
    enabled: true,
    detector: { rotation: false, maxDetected: 10, skipFrames: 0 },
    mesh: { enabled: false },
    iris: { enabled: false },
    description: { enabled: false },
    emotion: { enabled: true, skipFrames: 0 },
  },
});
await human.load();

/** Frames of `bytes` bytes from a pipe. */
async function* pictures(pipe, bytes) {
  let parts = [];
  let have = 0;
  for await (const chunk of pipe) {
    parts.push(chunk);
    have += chunk.length;
    while (have >= bytes) {
      const all = Buffer.concat(parts);
      yield all.subarray(0, bytes);
      parts = [all.subarray(bytes)];
      have -= bytes;
    }
  }
}

async function job(ffmpeg, video, width, height, path) {
  const child = spawn(
    ffmpeg,
    ["-loglevel", "error", "-i", video, "-pix_fmt", "rgb24", "-f", "rawvideo", "-"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const out = await open(path, "w");
  let frames = 0;
  let faces = 0;
  for await (const picture of pictures(child.stdout, width * height * 3)) {
    const tensor = human.tf.tensor4d(picture, [1, height, width, 3], "int32");
    const { face } = await human.detect(tensor);
    human.tf.dispose(tensor);
    await out.write(
      `${JSON.stringify({ frame: frames++, faces: face.map(({ box, emotion }) => ({ box, emotion })) })}\n`,
    );
    faces += face.length;
  }
  await out.close();
  console.log(JSON.stringify({ frames, faces }));
}

const SIDE = 48;
const LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]; // in its model's order

/** Prepares a face as Human does: -1..1, in the model's size. */
async function labels(net, n, grey) {
  const [, height, width] = net.inputs[0].shape;
  const output = human.tf.tidy(() => {
    const faces = human.tf.tensor4d(grey, [n, SIDE, SIDE, 1], "int32");
    const sized = human.tf.image.resizeBilinear(human.tf.div(faces, 255), [height, width], false);
    return net.execute(human.tf.mul(human.tf.sub(sized, 0.5), 2));
  });
  const values = await output.data();
  human.tf.dispose(output);
  return Array.from({ length: n }, (_, i) => {
    const own = [...values.subarray(i * LABELS.length, (i + 1) * LABELS.length)];
    return LABELS[own.indexOf(Math.max(...own))];
  });
}

async function model() {
  const net = human.models.models?.emotion ?? human.models.emotion;
  const [, height, width, channels] = net.inputs[0].shape;
  console.log(
    JSON.stringify({ ready: { input: [height, width, channels], backend: human.tf.getBackend() } }),
  );
  for await (const line of createInterface({ input: process.stdin })) {
    const { n, times, pixels } = JSON.parse(line);
    if (pixels) {
      console.log(JSON.stringify({ labels: await labels(net, n, Buffer.from(pixels, "base64")) }));
      continue;
    }
    const input = human.tf.randomUniform([n, height, width, channels]);
    const cpu = process.cpuUsage();
    const begin = performance.now();
    for (let i = 0; i < times; i++) {
      const output = net.execute(input);
      await output.data();
      human.tf.dispose(output);
    }
    const seconds = (performance.now() - begin) / 1000;
    const { user, system } = process.cpuUsage(cpu);
    human.tf.dispose(input);
    console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6 }));
  }
}

const [mode, ffmpeg, video, width, height, out] = process.argv.slice(2);
if (mode === "job") await job(ffmpeg, video, Number(width), Number(height), out);
else await model();
