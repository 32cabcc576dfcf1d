import type { Check } from "./check.js";
import { checkModels, checkOnnx, checkOptional } from "./engines.js";
import { checkCameras, checkFfmpeg, checkFolder, checkGpu, checkNode } from "./machine.js";
import { checkNats } from "./nats.js";

export type { Check } from "./check.js";

/** Checks everything a pipeline may need. Never throws: failures are part of the results. */
export async function examine(): Promise<Check[]> {
  const groups = await Promise.all([
    checkNode(),
    checkFfmpeg(),
    checkOnnx(),
    checkModels(),
    checkOptional(
      "tfjs",
      ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node", "@tensorflow/tfjs-backend-wasm"],
      "for `classify: { engine: tfjs }`: npm install @tensorflow/tfjs-node-gpu (Linux, CUDA 11.2) or @tensorflow/tfjs-node (Node 20), or anywhere @tensorflow/tfjs-core @tensorflow/tfjs-layers @tensorflow/tfjs-backend-wasm",
    ),
    checkOptional(
      "opencv",
      ["@u4/opencv4nodejs"],
      "for `detect: { engine: opencv }`: apt-get install g++ make python3 libopencv-dev, then OPENCV4NODEJS_DISABLE_AUTOBUILD=1 JOBS=max npm install @u4/opencv4nodejs",
    ),
    checkGpu(),
    checkCameras(),
    checkNats(),
    checkFolder(),
  ]);
  return groups.flat();
}

/** What every user should know before using results. */
export const RESPONSIBLE_USE =
  "The model can tell which of seven posed expressions a face resembles, with about the accuracy stated in its card, " +
  "and less for faces unlike its training data (age, skin, glasses, masks, angle, light). It cannot tell what a " +
  "person feels, thinks or intends. Do not base decisions about people on it. In the EU, emotion recognition is " +
  "prohibited at work and in education; elsewhere, the people filmed must be informed (AI Act, articles 5 and 50). " +
  "No frames are stored unless a sink asks for it.";
