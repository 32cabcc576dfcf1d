import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { ModelCard } from "#src/model/card.js";
import { type DataOptions, measuredData, readDataset } from "#src/model/data/index.js";
import { loadModel } from "#src/model/load.js";
import { optionsOf, silent } from "../../support/data.js";
import { writeFaces } from "../../support/faces.js";
import { TINY_SIZE, writeTinyModel } from "../../support/tiny-model.js";

describe("data to evaluate a model on", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-measured-"));
    await writeFaces(folder, ["left", "right"], 20);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The card of a model that was trained with `data`. */
  async function card(data: unknown): Promise<ModelCard> {
    const model = await writeTinyModel(join(folder, ".model"), undefined, (own) => {
      own.training = { recipe: { data } };
    });
    return (await loadModel(model, ".")).card;
  }

  const size = { width: TINY_SIZE, height: TINY_SIZE };

  for (const [what, data] of [
    ["seed", { seed: 7 }],
    ["part held back", { validation: 0.4 }],
    ["split again", { split: { training: 0.5, seed: 3 } }],
    ["splits to learn from", { training: ["validation"] }],
  ] as [string, Partial<DataOptions>][])
    it(`is split by the ${what} from the recipe in the model's card`, async () => {
      const trained = optionsOf({ path: folder, ...size, ...data });
      const { options, asTrained } = measuredData(
        `${folder}/`,
        await card({ ...data, path: basename(folder), ferplus: { path: "fer2013new.csv" } }),
      );
      assert.ok(asTrained);
      assert.deepEqual(options.training, trained.training);
      const [now, then] = await Promise.all([readDataset(options, silent()), readDataset(trained, silent())]);
      assert.deepEqual([now.ids, now.split, now.splits], [then.ids, then.split, then.splits]);
      assert.notDeepEqual(trained, optionsOf({ path: folder, ...size }));
    });

  for (const [what, data] of [
    ["names other training data", { path: "other", seed: 7 }],
    ["has no recipe", undefined],
    ["has an invalid recipe", { path: "faces", seed: "seven" }],
  ] as const)
    it(`is split by the defaults if the card ${what}`, async () => {
      const { options, asTrained } = measuredData(folder, await card(data));
      assert.ok(!asTrained);
      assert.deepEqual(options, optionsOf({ path: folder, ...size }));
    });
});
