// onnxruntime, told first to keep what it sees to itself: import it from here alone.
import "./no-telemetry.js";

export { env, InferenceSession, listSupportedBackends, Tensor } from "onnxruntime-node";
