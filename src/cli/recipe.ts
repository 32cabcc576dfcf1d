import { Default } from "typebox/value";
import { Recipe } from "../model/training/index.js";
import { readOptions, show } from "../pipeline/options.js";
import { applySetting, withSettings } from "../pipeline/settings.js";
import { type Problem, problemsError, readYaml } from "../pipeline/yaml.js";

/**
 * Reads and checks a training recipe; paths in it are relative to the working directory.
 * Throws one `ConfigError` that lists everything wrong with it, line by line.
 */
export async function loadRecipe(path: string, set: readonly string[]): Promise<Recipe> {
  const file = await readYaml(path);
  const root = structuredClone(file.value);
  if (typeof root !== "object" || root === null || Array.isArray(root))
    throw problemsError([
      { place: file.place([]), message: `a recipe is a mapping with name and data, not ${show(root)}` },
    ]);
  const settings = set.map((setting) => ({
    place: `--set ${setting.slice(0, setting.indexOf("="))}`,
    path: applySetting(root, setting),
  }));
  const yaml = withSettings(file, settings);
  const filled = Default(Recipe, root) as Record<string, unknown>;
  const { options, problems } = readOptions(Recipe, filled, process.cwd());
  if (problems.length > 0)
    throw problemsError(
      problems.map(
        ({ path, atKey, message }): Problem => ({
          place: atKey ? yaml.keyPlace(path) : yaml.place(path),
          message,
        }),
      ),
    );
  return options as Recipe;
}
