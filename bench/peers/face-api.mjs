// @vladmandic/face-api's expression model on its tfjs-wasm backend. Answers {"n","pixels"} (grey 48x48, base64) with
// {"labels"}.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const wasm = require("@tensorflow/tfjs-backend-wasm");
wasm.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")), "/"));
const folder = new URL("node_modules/@vladmandic/face-api/", import.meta.url);
const faceapi = require(join(folder.pathname, "dist/face-api.node-wasm.js"));
await faceapi.tf.setBackend("wasm");
await faceapi.tf.ready();
faceapi.env.monkeyPatch({ readFile });
await faceapi.nets.faceExpressionNet.loadFromDisk(join(folder.pathname, "model"));

const SIDE = 48;
const NAMES = { fearful: "fear", disgusted: "disgust", surprised: "surprise" };
console.log(JSON.stringify({ ready: { backend: faceapi.tf.getBackend() } }));
for await (const line of createInterface({ input: process.stdin })) {
  const { n, pixels } = JSON.parse(line);
  const grey = Buffer.from(pixels, "base64");
  const labels = [];
  for (let i = 0; i < n; i++) {
    const one = faceapi.tf.tidy(() => {
      const face = faceapi.tf.tensor3d(
        grey.subarray(i * SIDE * SIDE, (i + 1) * SIDE * SIDE),
        [SIDE, SIDE, 1],
        "int32",
      );
      return faceapi.tf.tile(face, [1, 1, 3]);
    });
    const found = await faceapi.nets.faceExpressionNet.predictExpressions(one);
    faceapi.tf.dispose(one);
    const [best] = found.asSortedArray();
    labels.push(NAMES[best.expression] ?? best.expression);
  }
  console.log(JSON.stringify({ labels }));
}
