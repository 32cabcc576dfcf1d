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

describe("data that a model is measured on", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-measured-"));
    await writeFaces(folder, ["left", "right"], 20);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The card of a model that was trained as `data` says. */
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
    ["split anew", { split: { training: 0.5, seed: 3 } }],
    ["splits to learn from", { training: ["validation"] }],
  ] as [string, Partial<DataOptions>][])
    it(`is divided by the ${what} of the recipe in its card`, async () => {
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
    ["was trained on another", { path: "other", seed: 7 }],
    ["tells of no recipe", undefined],
    ["tells of one that is none", { path: "faces", seed: "seven" }],
  ] as const)
    it(`is divided by the defaults where the card ${what}`, async () => {
      const { options, asTrained } = measuredData(folder, await card(data));
      assert.ok(!asTrained);
      assert.deepEqual(options, optionsOf({ path: folder, ...size }));
    });
});
