import { dirname, resolve } from "node:path";
import type { Static, TObject } from "typebox";
import { Default } from "typebox/value";
import { type Settings, SweepDefinition } from "../model/sweep/index.js";
import { Recipe } from "../model/training/index.js";
import { readOptions, show } from "../pipeline/options.js";
import { applySetting, withSettings } from "../pipeline/settings.js";
import { type Problem, problemsError, readYaml } from "../pipeline/yaml.js";

/**
 * Reads and checks a training recipe; paths in it are relative to the working directory.
 * Throws one `ConfigError` that lists everything wrong with it, line by line.
 */
export function loadRecipe(path: string, set: readonly string[]): Promise<Recipe> {
  return load(Recipe, "a recipe is a mapping with name and data", path, set);
}

/** Reads and checks a sweep; its recipe's path is made absolute. Throws `ConfigError`. */
export async function loadSweep(path: string): Promise<SweepDefinition> {
  const sweep = await load(SweepDefinition, "a sweep is a mapping with name, recipe and method", path, []);
  return { ...sweep, recipe: resolve(dirname(path), sweep.recipe) };
}

/** Values of a recipe as `--set` takes them. */
export function settingsOf(settings: Settings): string[] {
  return Object.entries(settings).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
}

async function load<T extends TObject>(
  schema: T,
  form: string,
  path: string,
  set: readonly string[],
): Promise<Static<T>> {
  const file = await readYaml(path);
  const root = structuredClone(file.value);
  if (typeof root !== "object" || root === null || Array.isArray(root))
    throw problemsError([{ place: file.place([]), message: `${form}, not ${show(root)}` }]);
  const settings = set.map((setting) => ({
    place: `--set ${setting.slice(0, setting.indexOf("="))}`,
    path: applySetting(root, setting),
  }));
  const yaml = withSettings(file, settings);
  const filled = Default(schema, root) as Record<string, unknown>;
  const { options, problems } = readOptions(schema, filled, process.cwd());
  if (problems.length > 0)
    throw problemsError(
      problems.map(
        ({ path, atKey, message }): Problem => ({
          place: atKey ? yaml.keyPlace(path) : yaml.place(path),
          message,
        }),
      ),
    );
  return options as Static<T>;
}
