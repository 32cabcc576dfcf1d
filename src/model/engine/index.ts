export type { Engine, EngineOptions, Provider } from "./engine.js";
export { openEngine } from "./open.js";
