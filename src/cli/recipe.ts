import { dirname, resolve } from "node:path";
import type { Static, TObject } from "typebox";
import { Default } from "typebox/value";
import { checkPaths } from "../model/data/index.js";
import { isModelPath, loadModel, noSuchModel, shippedModels } from "../model/load.js";
import { type Settings, SweepDefinition } from "../model/sweep/index.js";
import { Recipe } from "../model/training/index.js";
import { readOptions, show } from "../pipeline/options.js";
import { applySetting, withSettings } from "../pipeline/settings.js";
import { type Problem, problemsError, readYaml, type YamlPath } from "../pipeline/yaml.js";

/** What is read, and how errors refer to it. */
interface Kind<T extends TObject> {
  readonly schema: T;
  readonly file: string;
  readonly form: string;
  /** Where its paths are. */
  readonly paths: readonly YamlPath[];
  readonly check?: (options: Static<T>) => { readonly path: YamlPath; readonly message: string } | undefined;
}

const RECIPE: Kind<typeof Recipe> = {
  schema: Recipe,
  file: "a recipe file",
  form: "a recipe must be a mapping with name and data",
  paths: [["data", "path"], ["data", "ferplus", "path"], ["from"], ["teacher", "model"]],
  check: ({ from, teacher, sampling }) =>
    unknownModel(["from"], from) ??
    unknownModel(["teacher", "model"], teacher?.model) ??
    (sampling.balanced && sampling.classWeights ? EVENED_TWICE : undefined),
};

/** Together they would make up for small classes twice. */
const EVENED_TWICE = {
  path: ["sampling", "classWeights"],
  message: "`balanced` already draws every class equally often; set only one of the two",
};

function unknownModel(
  path: YamlPath,
  name: string | undefined,
): { path: YamlPath; message: string } | undefined {
  const known = name === undefined || isModelPath(name) || shippedModels().includes(name);
  return known ? undefined : { path, message: noSuchModel(name) };
}

const SWEEP: Kind<typeof SweepDefinition> = {
  schema: SweepDefinition,
  file: "a sweep file",
  form: "a sweep must be a mapping with name, recipe and method",
  paths: [["recipe"]],
};

/**
 * Reads and checks a training recipe. Makes its paths absolute: those in the file are relative to its folder, those in
 * `set` to the working directory. Throws one `ConfigError` that lists every mistake, one per line.
 */
export function loadRecipe(path: string, set: readonly string[]): Promise<Recipe> {
  return load(RECIPE, path, set);
}

/**
 * Throws `ConfigError` unless the data and the models that a recipe names exist, `ModelError` if a model's card is
 * invalid. Call it before hours are spent on what comes first.
 */
export async function checkSources({ data, from, teacher }: Recipe): Promise<void> {
  for (const model of [from, teacher?.model]) if (model !== undefined) await loadModel(model, process.cwd());
  await checkPaths(data);
}

/** Reads and checks a sweep; makes its recipe's path absolute. Throws `ConfigError`. */
export function loadSweep(path: string): Promise<SweepDefinition> {
  return load(SWEEP, path, []);
}

/** Recipe values in the form `--set` takes; makes paths among them absolute. */
export function settingsOf(settings: Settings, folder: string): string[] {
  return Object.entries(settings).map(([key, value]) => {
    const isPath = typeof value === "string" && RECIPE.paths.some((path) => path.join(".") === key);
    return `${key}=${JSON.stringify(isPath ? absolute(folder, key, value) : value)}`;
  });
}

async function load<T extends TObject>(
  { schema, file: wanted, form, paths, check }: Kind<T>,
  path: string,
  set: readonly string[],
): Promise<Static<T>> {
  const file = await readYaml(path, wanted);
  const root = structuredClone(file.value);
  if (typeof root !== "object" || root === null || Array.isArray(root))
    throw problemsError([{ place: file.place([]), message: `${form}, not ${show(root)}` }]);
  makeAbsolute(root, paths, dirname(path));
  const settings = set.map((setting) => ({
    place: `--set ${setting.slice(0, setting.indexOf("="))}`,
    path: applySetting(root, setting, "epochs=30"),
  }));
  makeAbsolute(root, paths, process.cwd());
  const yaml = withSettings(file, settings);
  const filled = Default(schema, root) as Record<string, unknown>;
  const { options, problems } = readOptions(schema, filled, () => process.cwd());
  if (problems.length > 0)
    throw problemsError(
      problems.map(
        ({ path, atKey, message }): Problem => ({
          place: atKey ? yaml.keyPlace(path) : yaml.place(path),
          message,
        }),
      ),
    );
  const wrong = check?.(options as Static<T>);
  if (wrong) throw problemsError([{ place: yaml.place(wrong.path), message: wrong.message }]);
  return options as Static<T>;
}

/** Modifies `root` in place. */
function makeAbsolute(root: object, paths: readonly YamlPath[], folder: string): void {
  for (const path of paths) {
    const key = path.at(-1) ?? "";
    const holder = path
      .slice(0, -1)
      .reduce<unknown>((node, step) => (isMapping(node) ? node[step] : undefined), root);
    const value = isMapping(holder) ? holder[key] : undefined;
    if (!isMapping(holder) || typeof value !== "string") continue;
    holder[key] = absolute(folder, String(key), value);
  }
}

/** A model name without a slash is that of a shipped model and is kept. */
function absolute(folder: string, key: string, value: string): string {
  const shipped = /(^|\.)(from|model)$/.test(key) && !isModelPath(value);
  return shipped ? value : resolve(folder, value);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
