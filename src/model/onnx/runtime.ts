// onnxruntime with telemetry turned off: import it only from here.
import "./no-telemetry.js";
import { createRequire } from "node:module";
import type * as onnxruntime from "onnxruntime-node";
import { ConfigError, messageOf } from "../../errors.js";

export const { env, InferenceSession, listSupportedBackends, Tensor } = load();
export type InferenceSession = onnxruntime.InferenceSession;
export type Tensor = onnxruntime.Tensor;

/**
 * Throws `ConfigError` if there is no build for this machine. Uses `require`, not `import`: if a re-exported CommonJS
 * module throws, Node 20 ends the process (nodejs/node#51603).
 */
function load(): typeof onnxruntime {
  try {
    return createRequire(import.meta.url)("onnxruntime-node") as typeof onnxruntime;
  } catch (cause) {
    const [why = ""] = messageOf(cause).split("\n", 1);
    throw new ConfigError(
      "ONNXRUNTIME_MISSING",
      `onnxruntime cannot be loaded on ${process.platform} ${process.arch} (${why}); ${remedy()}`,
      { cause },
    );
  }
}

function remedy(): string {
  // What it says itself is that a module could not be found, but not which.
  if (process.platform === "win32")
    return `it needs Microsoft's Visual C++ runtime: \`winget install Microsoft.VCRedist.2015+.${process.arch}\``;
  return "it is built for Linux with glibc, macOS 14 and newer on Apple silicon, and Windows; elsewhere, run `npm install @tensorflow/tfjs-core @tensorflow/tfjs-layers @tensorflow/tfjs-backend-wasm` and set `engine: tfjs` on `classify`";
}
