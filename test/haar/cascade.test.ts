import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { cascadeCode } from "#src/haar/compile.js";
import { parseCascade, readyCascade } from "#src/haar/index.js";
import { prepared, preparedName } from "#src/haar/ready.js";

const xml = readFileSync(new URL("../../models/haarcascades/haarcascade_eye.xml", import.meta.url), "utf8");

describe("a cascade file", () => {
  const cases: [string, (text: string) => string, RegExp][] = [
    ["that is not XML", () => "not xml at all", /no <opencv_storage>|not XML/],
    ["without a cascade", () => "<opencv_storage><x>1</x></opencv_storage>", /no Haar cascade/],
    ["of another feature type", (t) => t.replace("<featureType>HAAR", "<featureType>LBP"), /LBP is not HAAR/],
    ["whose window is huge", (t) => t.replace("<width>20</width>", "<width>99999</width>"), /window size/],
    [
      "whose rectangle extends beyond the window",
      (t) => t.replace(/<rects>\s*<_>\s*[\d ]+/, "<rects><_>15 15 9 9 "),
      /extends beyond the 20x20 window/,
    ],
    ["whose node names a missing feature", (t) => t.replace("0 -1 0 ", "0 -1 99999 "), /uses feature 99999/],
    ["whose tree leads nowhere", (t) => t.replace("0 -1 0 ", "0 -7 0 "), /leads to -7/],
    [
      "with letters instead of numbers",
      (t) => t.replace(/<stageThreshold>[^<]+/, "<stageThreshold>x"),
      /not a list of numbers/,
    ],
    ["that is truncated", (t) => t.slice(0, t.length / 2), /eye\.xml/],
  ];
  for (const [name, damage, message] of cases)
    it(`${name} is refused in one line`, async () => {
      await assert.rejects(
        parseCascade(damage(xml), "eye.xml"),
        (error: Error) =>
          error.name === "ModelError" && message.test(error.message) && !error.message.includes("\n"),
      );
    });
});

describe("the default cascade", () => {
  const path = fileURLToPath(
    new URL("../../models/haarcascades/haarcascade_frontalface_default.xml", import.meta.url),
  );

  it("was compiled when the package was built, with the same result as now", async () => {
    const text = readFileSync(path, "utf8");
    const compiled = cascadeCode(await parseCascade(text, path));
    const built = readFileSync(new URL(`../../dist/haar/${preparedName(text)}`, import.meta.url), "utf8");
    assert.ok(built === prepared(compiled));
    const { data, tables, cascade } = await readyCascade(path);
    assert.deepEqual(
      { data, tables, cascade },
      { data: compiled.data, tables: compiled.tables, cascade: compiled.cascade },
    );
  });

  it("is compiled again if its file has changed", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-cascade-"));
    try {
      const changed = join(folder, "changed.xml");
      writeFileSync(changed, readFileSync(path, "utf8").replace("<width>24</width>", "<width>25</width>"));
      assert.equal((await readyCascade(changed)).cascade.width, 25);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
