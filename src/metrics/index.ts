export { exposition, type Family } from "./exposition.js";
export { PROCESS_FAMILIES, ProcessFigures } from "./process.js";
export { type LabelledRun, RUN_FAMILIES } from "./run.js";
export { type MetricsServer, parseListen, serveMetrics } from "./server.js";
