import type { Check } from "./check.js";
import { checkModels, checkOnnx, checkOptional } from "./engines.js";
import { checkCameras, checkFfmpeg, checkFolder, checkGpu, checkNode } from "./machine.js";
import { checkNats } from "./nats.js";

export type { Check } from "./check.js";

/** Looks at everything that a pipeline may need. Never throws: what cannot be had is a check's result. */
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

/** What every user should know before results are used. */
export const RESPONSIBLE_USE =
  "What the model can tell: which of seven posed expressions a face resembles, about as often right as its card says, " +
  "less so for faces unlike those it learnt from (age, skin, glasses, masks, angle, light). What it cannot tell: what " +
  "a person feels, thinks or intends. Do not decide about people with it. In the EU emotion recognition is prohibited " +
  "at work and in education, and elsewhere those filmed must be told (AI Act, articles 5 and 50). No picture is kept " +
  "unless a sink asks for it.";
