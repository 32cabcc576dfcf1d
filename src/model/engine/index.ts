export type { Engine, EngineOptions, Precision, Provider } from "./engine.js";
export { openEngine } from "./open.js";
