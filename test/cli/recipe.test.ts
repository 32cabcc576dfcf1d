import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { loadRecipe, loadSweep, settingsOf } from "#src/cli/recipe.js";
import { checkSweep } from "#src/model/sweep/index.js";
import { parsePipeline } from "#src/pipeline/load.js";

describe("a recipe's paths", () => {
  let folder: string;
  let file: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-recipe-"));
    file = join(folder, "recipe.yaml");
    await writeFile(
      file,
      "name: mine\nfrom: ./base\nteacher: { model: ../large }\ndata: { path: faces, ferplus: { path: ../votes.csv, share: 0.5 } }\n",
    );
  });
  after(() => rm(folder, { recursive: true }));

  it("are relative to the file that names them", async () => {
    const { data, from, teacher } = await loadRecipe(file, []);
    assert.equal(data.path, join(folder, "faces"));
    assert.equal(data.ferplus?.path, resolve(folder, "../votes.csv"));
    assert.equal(from, join(folder, "base"));
    assert.equal(teacher?.model, resolve(folder, "../large"));
  });

  it("are relative to the working directory if given with --set", async () => {
    const { data } = await loadRecipe(file, ["data.path=faces", "data.ferplus.path=/votes.csv"]);
    assert.equal(data.path, resolve("faces"));
    assert.equal(data.ferplus?.path, "/votes.csv");
  });

  it("leave the name of a shipped model unchanged", async () => {
    assert.equal((await loadRecipe(file, ["from=fer2013-small"])).from, "fer2013-small");
    assert.equal((await loadRecipe(file, ["teacher.model=fer2013-small"])).teacher?.model, "fer2013-small");
  });

  it("are rejected if they name a model that is not shipped", async () => {
    const wrong = join(folder, "wrong.yaml");
    await writeFile(wrong, "name: mine\nfrom: fer2013-smal\ndata: { path: faces }\n");
    await assert.rejects(loadRecipe(wrong, []), {
      name: "ConfigError",
      message: /^.*wrong\.yaml:2:7: model fer2013-smal: not found; use fer2013-small, fer2013-study, or /,
    });
    await writeFile(wrong, "name: mine\nteacher: { model: large }\ndata: { path: faces }\n");
    await assert.rejects(loadRecipe(wrong, []), /wrong\.yaml:2:19: model large: not found/);
  });
});

describe("a recipe's sampling", () => {
  it("does not even out the classes twice", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ekspresi-recipe-"));
    const file = join(folder, "recipe.yaml");
    await writeFile(file, "name: mine\ndata: { path: faces }\nsampling: { balanced: true }\n");
    assert.equal((await loadRecipe(file, [])).sampling.balanced, true);
    await assert.rejects(loadRecipe(file, ["sampling.classWeights=true"]), {
      name: "ConfigError",
      message:
        /^--set sampling\.classWeights: `balanced` already draws every class equally often; set only one/,
    });
    await rm(folder, { recursive: true });
  });
});

describe("the files in docs/training.md", () => {
  const text = readFileSync(new URL("../../docs/training.md", import.meta.url), "utf8");
  const files = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml]) => yaml ?? "");
  const [pipelines, others] = divide(files, (yaml) => yaml.startsWith("version: 1"));
  const [sweeps, recipes] = divide(others, (yaml) => yaml.includes("\nrecipe: "));
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-training-docs-"));
    await writeFile(join(folder, "mine.yaml"), recipes[0] ?? "");
  });
  after(() => rm(folder, { recursive: true }));

  it("are a recipe and a pipeline that runs its model", async () => {
    const { name, data } = await loadRecipe(join(folder, "mine.yaml"), []);
    assert.equal(data.path, join(folder, "faces"));
    const plan = parsePipeline(pipelines[0] ?? "", folder);
    const classify = plan.nodes.find(({ component }) => component.type === "classify");
    assert.equal(classify?.options.model, join(folder, "runs", name, "model"));
    assert.deepEqual([recipes.length, pipelines.length], [1, 1]);
  });

  it("are sweeps of that recipe, which accepts all their values", async () => {
    const methods = [];
    for (const yaml of sweeps) {
      const file = join(folder, "sweep.yaml");
      await writeFile(file, yaml);
      const sweep = await loadSweep(file);
      await checkSweep(sweep, (settings) => loadRecipe(sweep.recipe, settingsOf(settings, folder)));
      methods.push(sweep.method);
    }
    assert.deepEqual(methods, ["one-factor", "random"]);
  });
});

function divide<T>(items: readonly T[], chosen: (item: T) => boolean): readonly [T[], T[]] {
  return [items.filter(chosen), items.filter((item) => !chosen(item))];
}
