export type { JobRules } from "./messages.js";
export { WORKER_FAMILIES } from "./metrics.js";
export { Worker, type WorkerFigures, type WorkerOptions } from "./worker.js";
