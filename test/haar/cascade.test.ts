import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseCascade } from "#src/haar/index.js";

const xml = readFileSync(new URL("../../models/haarcascades/haarcascade_eye.xml", import.meta.url), "utf8");

describe("a cascade file", () => {
  const cases: [string, (text: string) => string, RegExp][] = [
    ["that is no XML", () => "not xml at all", /no <opencv_storage>|not XML/],
    ["without a cascade", () => "<opencv_storage><x>1</x></opencv_storage>", /no Haar cascade/],
    ["of another feature", (t) => t.replace("<featureType>HAAR", "<featureType>LBP"), /LBP is not HAAR/],
    ["whose window is huge", (t) => t.replace("<width>20</width>", "<width>99999</width>"), /window size/],
    [
      "whose rectangle leaves the window",
      (t) => t.replace(/<rects>\s*<_>\s*[\d ]+/, "<rects><_>15 15 9 9 "),
      /leaves the 20x20 window/,
    ],
    ["whose node names a missing feature", (t) => t.replace("0 -1 0 ", "0 -1 99999 "), /uses feature 99999/],
    ["whose tree leads nowhere", (t) => t.replace("0 -1 0 ", "0 -7 0 "), /leads to -7/],
    [
      "with letters for numbers",
      (t) => t.replace(/<stageThreshold>[^<]+/, "<stageThreshold>x"),
      /not a list of numbers/,
    ],
    ["that is cut off", (t) => t.slice(0, t.length / 2), /eye\.xml/],
  ];
  for (const [name, damage, message] of cases)
    it(`${name} is refused in one line`, () => {
      assert.throws(
        () => parseCascade(damage(xml), "eye.xml"),
        (error: Error) =>
          error.name === "ModelError" && message.test(error.message) && !error.message.includes("\n"),
      );
    });
});
