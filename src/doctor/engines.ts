import { createRequire } from "node:module";
import { messageOf } from "../errors.js";
import { loadModel, modelFile, shippedModels } from "../model/load.js";
import type { Check } from "./check.js";

const require = createRequire(import.meta.url);

export async function checkOnnx(): Promise<Check> {
  try {
    const { listSupportedBackends } = await import("../model/onnx/runtime.js");
    const { version } = require("onnxruntime-node/package.json") as {
      version: string;
    };
    const providers = listSupportedBackends().map(({ name, bundled }) =>
      bundled ? name : `${name} (libraries not bundled)`,
    );
    return {
      name: "onnxruntime",
      required: true,
      state: "ok",
      detail: `${version}; providers: ${providers.join(", ")}`,
    };
  } catch (error) {
    return {
      name: "onnxruntime",
      required: true,
      state: "missing",
      detail: messageOf(error),
      help: "on supported platforms: npm install onnxruntime-node",
    };
  }
}

/** The first installed one of some packages. Does not load them: a broken native one would end the process. */
export function checkOptional(name: string, packages: readonly string[], help: string): Check {
  const installed = packages.find(isInstalled);
  if (installed) return { name, required: false, state: "ok", detail: `${installed} is installed` };
  return { name, required: false, state: "missing", detail: "not installed (optional)", help };
}

function isInstalled(name: string): boolean {
  try {
    require.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** All shipped models; checks each file's size and hash against its card. */
export async function checkModels(): Promise<Check[]> {
  const names = shippedModels();
  if (names.length === 0)
    return [
      {
        name: "models",
        required: true,
        state: "missing",
        detail: "no shipped models found",
        help: "reinstall the package, or train a model: pipeline train",
      },
    ];
  return Promise.all(names.map(checkModel));
}

async function checkModel(name: string): Promise<Check> {
  try {
    const model = await loadModel(name, process.cwd());
    await Promise.all(model.card.files.map(({ kind }) => modelFile(model, kind)));
    const { version, labels, metrics } = model.card;
    const [first] = metrics;
    const quality = first
      ? `; accuracy ${(first.accuracy * 100).toFixed(1)} % on ${first.dataset} ${first.split}`
      : "";
    return {
      name: `model ${name}`,
      required: true,
      state: "ok",
      detail: `${version}, ${labels.length} labels, ${model.card.files.length === 1 ? "file" : "files"} intact${quality}`,
    };
  } catch (error) {
    return {
      name: `model ${name}`,
      required: true,
      state: "missing",
      detail: messageOf(error),
      help: "reinstall the package",
    };
  }
}
