import type { Model } from "../load.js";
import type { Engine, EngineOptions } from "./engine.js";
import { openOnnx } from "./onnx.js";
import { openTfjs } from "./tfjs.js";

export type { Engine, EngineOptions, Provider } from "./engine.js";

/** Starts a model. Throws `ModelError` for a damaged model, `OperatorError` or `ConfigError` where it cannot run. */
export function openEngine(model: Model, options: EngineOptions): Promise<Engine> {
  return options.engine === "tfjs" ? openTfjs(model) : openOnnx(model, options);
}
