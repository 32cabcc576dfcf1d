export { INFERENCE_FAMILIES } from "./metrics.js";
export { openRemoteEngine, type RemoteOptions } from "./remote.js";
export { type InferenceFigures, InferenceServer } from "./server.js";
