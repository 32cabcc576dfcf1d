import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type FaceDataset, readDataset } from "#src/model/data/index.js";
import { optionsOf, silent } from "../../support/data.js";

const HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF";
const picture = (row: number) => Array.from({ length: 64 }, (_, i) => (i * 5 + row * 31) % 256).join(" ");

describe("FER+'s votes", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-ferplus-"));
    const rows = [
      `0,${picture(0)},Training`,
      "9,1 2 3,Training", // damaged: the rows below keep their numbers
      `3,${picture(1)},Training`,
      `4,${picture(2)},PublicTest`,
    ];
    await writeFile(join(folder, "fer2013.csv"), ["emotion,pixels,Usage", ...rows].join("\n"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function read(votes: readonly string[], share: number, header = HEADER): Promise<FaceDataset> {
    const path = join(folder, "fer2013new.csv");
    await writeFile(path, [header, ...votes].join("\n"));
    return readDataset(
      optionsOf({ path: join(folder, "fer2013.csv"), maxDamaged: 0.5, ferplus: { path, share } }),
      silent(),
    );
  }

  const VOTES = [
    "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0",
    "Training,,0,0,0,0,0,0,0,0,0,10",
    "Training,fer0000001.png,1,1,0,0,0,0,0,6,2,0", // two votes for the seven classes: no agreement
    "PublicTest,fer0000002.png,0,0,5,0,0,0,5,0,0,0",
  ];

  it("become soft labels in FER-2013's order, mixed with the label, without contempt and unknown", async () => {
    const { soft, label } = await read(VOTES, 0.4);
    assert.deepEqual([...label], [0, 3, 4]);
    // angry, disgust, fear, happy, sad, surprise, neutral
    const expected = [
      [0.6 + 0.4 * 0.3, 0.4 * 0.2, 0, 0, 0.4 * 0.1, 0, 0.4 * 0.4],
      [0, 0, 0, 1, 0, 0, 0],
      [0, 0, 0.4 * 0.5, 0, 0.6, 0.4 * 0.5, 0],
    ].flat();
    assert.equal(soft?.length, 21);
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs((soft?.[i] ?? Number.NaN) - value) < 1e-6, `${i}: ${soft?.[i]}, not ${value}`);
  });

  it("in a different order than the pictures are refused", async () => {
    const [a = "", b = "", c = "", d = ""] = VOTES;
    await assert.rejects(read([d, b, c, a], 0.4), /row 0 is PublicTest here but Training in fer2013\.csv/);
    await assert.rejects(read([a, b, c], 0.4), /row 3 is missing here/);
  });

  it("in a file that cannot be read are refused", async () => {
    const read = readDataset(
      optionsOf({
        path: join(folder, "fer2013.csv"),
        maxDamaged: 0.5,
        ferplus: { path: folder, share: 0.4 },
      }),
      silent(),
    );
    await assert.rejects(read, { name: "DataError", message: `${folder}: it is a folder` });
  });

  it("in a file that is not FER+'s are refused", async () => {
    await assert.rejects(read(["1,2"], 0.4, "a,b"), /must name Usage and the ten kinds of votes/);
  });
});
