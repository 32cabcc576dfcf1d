import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FaceDataset, readDataset } from "#src/model/data/index.js";
import { optionsOf, silent } from "../../support/data.js";

const picture = (row: number) => Array.from({ length: 64 }, (_, i) => (i * 5 + row * 31) % 256);
const flat = Array.from({ length: 64 }, (_, i) => 128 + (i % 2));

/** Label, picture, split. */
const ROWS: [number, number[], string][] = [
  [0, picture(0), "Training"],
  [1, picture(1), "Training"], // also in PublicTest
  [2, picture(1), "PublicTest"],
  [3, picture(2), "Training"], // also in PrivateTest, twice here
  [3, picture(2), "Training"],
  [4, picture(2), "PrivateTest"],
  [5, picture(3), "PublicTest"], // in both test splits: both kept
  [5, picture(3), "PrivateTest"],
  [6, picture(4), "Training"], // twice in training only: kept
  [6, picture(4), "Training"],
  [0, flat, "Training"],
  [0, flat.with(0, 0), "PublicTest"],
];

describe("a data set whose splits overlap", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-copies-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function read(minContrast: number, log = silent()): Promise<FaceDataset> {
    const path = join(folder, "faces.csv");
    await writeFile(
      path,
      [
        "emotion,pixels,Usage",
        ...ROWS.map(([label, pixels, usage]) => `${label},${pixels.join(" ")},${usage}`),
      ].join("\n"),
    );
    return readDataset(optionsOf({ path, minContrast }), log);
  }

  it("loses the training pictures that are also in a test split, and says how many", async () => {
    const log = silent();
    const dataset = await read(0, log);
    assert.deepEqual(
      dataset.ids,
      [0, 2, 5, 6, 7, 8, 9, 10, 11].map((row) => `row ${row}`),
    );
    assert.ok(log.infos.includes("left out of training: 3 pictures also in another split"));
    // Parallel arrays stay in step: row 5 is the third of what is left.
    assert.deepEqual([...dataset.images.subarray(2 * 64, 3 * 64)], picture(2));
    assert.equal(dataset.label[2], 4);
  });

  it("recognises the training split by name, whatever its case", async () => {
    const path = join(folder, "faces.csv");
    const lines = [`0,${picture(0).join(" ")},TRAIN`, `0,${picture(0).join(" ")},PublicTest`];
    await writeFile(path, ["emotion,pixels,Usage", ...lines].join("\n"));
    assert.deepEqual((await readDataset(optionsOf({ path }), silent())).ids, ["row 1"]);
  });

  it("loses almost blank pictures, of training only, if requested", async () => {
    const log = silent();
    const dataset = await read(5, log);
    assert.ok(!dataset.ids.includes("row 10"));
    assert.ok(dataset.ids.includes("row 11"));
    assert.ok(log.infos.includes("left out of training: 1 almost blank picture"));
  });
});
