import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { DataError } from "#src/errors.js";
import { type DataOptions, type FaceDataset, readDataset, rowsOf } from "#src/model/data/index.js";
import { optionsOf, silent } from "../../support/data.js";

const SIDE = 8;
const PIXELS = SIDE * SIDE;

/** `n` numbers from 0 to 255 that differ from row to row. */
const numbers = (row: number, n = PIXELS) => Array.from({ length: n }, (_, i) => (i * 7 + row * 13) % 256);

describe("FER-2013's CSV", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "ekspresi-csv-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  async function read(
    text: string,
    changes: Partial<DataOptions> = {},
    log = silent(),
  ): Promise<FaceDataset> {
    const path = join(folder, "faces.csv");
    await writeFile(path, text);
    return readDataset(optionsOf({ path, ...changes }), log);
  }

  const rows = [
    { label: 3, usage: "Training", pixels: numbers(0) },
    { label: 0, usage: "Training", pixels: numbers(1) },
    { label: 6, usage: "PublicTest", pixels: numbers(2) },
    { label: 1, usage: "PrivateTest", pixels: numbers(3) },
  ];

  for (const [spelling, text] of [
    [
      "emotion,pixels,Usage",
      ["emotion,pixels,Usage", ...rows.map((r) => `${r.label},${r.pixels.join(" ")},${r.usage}`)].join("\n"),
    ],
    [
      "emotion, Usage, pixels (icml_face_data.csv)",
      ["emotion, Usage, pixels", ...rows.map((r) => `${r.label},${r.usage},${r.pixels.join(" ")}`), ""].join(
        "\n",
      ),
    ],
    [
      "quotes, a byte order mark and CR LF line ends",
      [
        '\uFEFF"emotion","pixels","Usage"',
        ...rows.map((r) => `"${r.label}","${r.pixels.join(" ")}","${r.usage}"`),
        "",
      ].join("\r\n"),
    ],
  ] as const)
    it(`is read as ${spelling}`, async () => {
      const dataset = await read(text);
      assert.deepEqual([dataset.width, dataset.height], [SIDE, SIDE]);
      assert.deepEqual([...dataset.label], [3, 0, 6, 1]);
      assert.deepEqual(
        Array.from(dataset.split, (split) => dataset.splits[split]),
        rows.map(({ usage }) => usage),
      );
      assert.deepEqual(
        [...dataset.images],
        rows.flatMap(({ pixels }) => pixels),
      );
      assert.deepEqual(dataset.ids, ["row 0", "row 1", "row 2", "row 3"]);
      assert.ok(dataset.images.buffer instanceof SharedArrayBuffer);
    });

  it("shows its splits in FER-2013's spelling, however they are written", async () => {
    const written = ["TRAIN", "publictest", "training", "Private_Test", "Valid", "fold 1"];
    const lines = written.map((usage, i) => `0,${numbers(i).join(" ")},${usage}`);
    const dataset = await read(["emotion,pixels,Usage", ...lines].join("\n"));
    assert.deepEqual(dataset.splits, ["Training", "PublicTest", "PrivateTest", "validation", "fold 1"]);
    assert.deepEqual([...dataset.split], [0, 1, 0, 2, 3, 4]);
    assert.deepEqual([...rowsOf(dataset, ["train", "Fold 1"])], [0, 2, 5]);
  });

  it("with something else in the column Usage is refused", async () => {
    const lines = Array.from({ length: 256 }, (_, i) => `0,${numbers(i).join(" ")},picture ${i}`);
    await assert.rejects(read(["emotion,pixels,Usage", ...lines].join("\n")), {
      name: "DataError",
      message:
        /column Usage has more than 255 different values \(picture 0, picture 1, picture 2, \.\.\.\); /,
    });
  });

  it("reads back any pictures written to it", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            label: fc.integer({ min: 0, max: 6 }),
            pixels: fc.uint8Array({ minLength: 81, maxLength: 81 }),
          }),
          { minLength: 1, maxLength: 12 },
        ),
        async (pictures) => {
          const lines = pictures.map(({ label, pixels }) => `${label},${pixels.join(" ")},PublicTest`);
          const dataset = await read(["emotion,pixels,Usage", ...lines].join("\n"));
          assert.deepEqual(
            [...dataset.images],
            pictures.flatMap(({ pixels }) => [...pixels]),
          );
          assert.deepEqual(
            [...dataset.label],
            pictures.map(({ label }) => label),
          );
        },
      ),
      { numRuns: 30 },
    ));

  /** 200 good rows around damaged ones. */
  const around = (bad: string[], first = false) => {
    const good = Array.from({ length: 200 }, (_, i) => `${i % 7},${numbers(i).join(" ")},PublicTest`);
    return ["emotion,pixels,Usage", ...(first ? [...bad, ...good] : [...good, ...bad])].join("\n");
  };

  for (const [what, row, why] of [
    [
      "too few pixels",
      `1,${numbers(1, PIXELS - 1).join(" ")},PublicTest`,
      /63 pixels instead of 64|not form a square/,
    ],
    [
      "too many pixels",
      `1,${numbers(1, PIXELS + 1).join(" ")},PublicTest`,
      /65 pixels instead of 64|not form a square/,
    ],
    ["a pixel above 255", `1,${numbers(1).with(5, 256).join(" ")},PublicTest`, /a pixel is 256, above 255/],
    [
      "a pixel that is not a number",
      `1,${numbers(1).join(" ").replace(" ", " x")},PublicTest`,
      /not all numbers/,
    ],
    ["a negative pixel", `1,${numbers(1).join(" ").replace(" ", " -")},PublicTest`, /not all numbers/],
    ["an unknown emotion", `7,${numbers(1).join(" ")},PublicTest`, /emotion is not a number from 0 to 6/],
    ["no emotion", `,${numbers(1).join(" ")},PublicTest`, /emotion is not a number from 0 to 6/],
    ["no pixels", "1,,PublicTest", /it has no pixels/],
    ["no Usage", `1,${numbers(1).join(" ")}`, /its Usage is empty/],
    ["no cells at all", "1", /no pixels/],
  ] as const)
    for (const first of [false, true])
      it(`skips ${first ? "a first" : "a"} row with ${what}, names it and continues`, async () => {
        const log = silent();
        const dataset = await read(around([row], first), {}, log);
        assert.equal(dataset.label.length, 200);
        assert.equal(dataset.width, SIDE);
        const warning = log.warnings[0] ?? "";
        assert.match(warning, first ? /skipped row 0: / : /skipped row 200: /);
        assert.match(warning, why);
        assert.deepEqual([...dataset.images.subarray(0, PIXELS)], numbers(0));
      });

  it("is refused if more than the allowed fraction is damaged, naming the first damaged row", async () => {
    await assert.rejects(read(around(["1,,", "1,1 2 3,", "9,,"])), (error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /3 of 203 pictures cannot be used \(more than 1 %\); the first is row 200/);
      return true;
    });
    assert.equal((await read(around(["1,,", "1,1 2 3,", "9,,"]), { maxDamaged: 0.02 })).label.length, 200);
  });

  for (const [what, text, pattern] of [
    [
      "names other columns",
      "id,image,class\n1,2,3",
      /names the columns id, image, class; it must name emotion, pixels/,
    ],
    ["is empty", "", /it contains no pictures/],
    ["has only a header", "emotion,pixels,Usage\n", /it contains no pictures/],
    [
      "holds no square pictures",
      "emotion,pixels,Usage\n1,1 2 3,Training",
      /the first is row 0: its pixels do not form a square of at least 8x8/,
    ],
  ] as const)
    it(`that ${what} is refused in one line`, async () => {
      await assert.rejects(read(text), (error) => {
        assert.ok(error instanceof DataError);
        assert.match(error.message, pattern);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });

  it("that does not exist is refused, saying what to give", async () => {
    await assert.rejects(readDataset(optionsOf({ path: join(folder, "none.csv") }), silent()), {
      name: "ConfigError",
      message: /none\.csv: no such file or folder; give a CSV file or a folder of classes$/,
    });
  });
});
