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
      `3,${picture(0)},Training`,
      "9,1 2 3,Training", // damaged: the rows below keep their numbers
      ...[4, 4, 4, 6, 3, 3, 0, 6].map((label, i) => `${label},${picture(i + 1)},Training`),
      `5,${picture(9)},PublicTest`,
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

  const NEUTRAL = "10,0,0,0,0,0,0,0,0,0";
  const CONTEMPT = "0,0,0,0,0,0,0,10,0,0";
  const VOTES = [
    "Training,fer0000000.png,0,10,0,0,0,0,0,0,0,0",
    "Training,,0,0,0,0,0,0,0,0,0,10",
    ...[NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL, CONTEMPT, CONTEMPT, CONTEMPT].map(
      (votes) => `Training,x,${votes}`,
    ),
    "Training,,0,0,0,0,0,0,0,0,0,0",
    `PublicTest,x,${NEUTRAL}`,
  ];

  it("become what such votes mean in the training pictures, mixed with the label", async () => {
    const { soft, label } = await read(VOTES, 0.4);
    assert.deepEqual([...label], [3, 4, 4, 4, 6, 3, 3, 0, 6, 5]);
    const mixed = (own: number, votes: Record<number, number>) =>
      Array.from({ length: 7 }, (_, c) => (c === own ? 0.6 : 0) + 0.4 * (votes[c] ?? 0));
    const neutral = { 4: 3 / 4, 6: 1 / 4 }; // the label of the picture in PublicTest is not learnt from
    const contempt = { 3: 2 / 3, 0: 1 / 3 };
    const expected = [
      mixed(3, { 3: 1 }),
      ...[4, 4, 4, 6].map((own) => mixed(own, neutral)),
      ...[3, 3, 0].map((own) => mixed(own, contempt)),
      mixed(6, { 6: 1 }), // no votes: only the label
      mixed(5, neutral),
    ].flat();
    assert.equal(soft?.length, expected.length);
    for (const [i, value] of expected.entries())
      assert.ok(Math.abs((soft?.[i] ?? Number.NaN) - value) < 0.02, `${i}: ${soft?.[i]}, not ${value}`);
  });

  it("in a different order than the pictures are refused", async () => {
    await assert.rejects(
      read(VOTES.toReversed(), 0.4),
      /row 0 is PublicTest here but Training in fer2013\.csv/,
    );
    await assert.rejects(read(VOTES.slice(0, -1), 0.4), /row 10 is missing here/);
  });

  it("that are those of the next rows are refused: a row is missing", async () => {
    const labels = Array.from({ length: 500 }, (_, i) => [3, 6][i % 2] ?? 0);
    const kinds = labels.map((label) => (label === 3 ? "0,9,1,0,0,0,0,0,0,0" : "6,0,0,3,0,0,0,0,1,0"));
    const rows = labels.map((label, i) => `${label},${picture(i)},Training`);
    await writeFile(join(folder, "fer2013.csv"), ["emotion,pixels,Usage", ...rows].join("\n"));
    const votes = kinds.map((counts) => `Training,x,${counts}`);
    assert.equal((await read(votes, 0.4)).label.length, 500);
    votes.splice(250, 1);
    await assert.rejects(read([...votes, votes[0] ?? ""], 0.4), {
      name: "DataError",
      message:
        /only 50 of the 200 pictures from row 200 to row 399 of fer2013\.csv, as if rows were missing; /,
    });
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
