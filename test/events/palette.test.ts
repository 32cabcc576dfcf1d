import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { difference, linearOf } from "#src/events/colour-difference.js";
import { coloursOf } from "#src/events/palette.js";

/** WCAG's contrast ratio of two colours. */
function contrast(a: string, b: string): number {
  const luminance = (colour: string) => {
    const long = colour.length === 4 ? colour.replace(/[^#]/g, "$&$&") : colour;
    const [red, green, blue] = linearOf(`#${long.slice(1)}`);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const [high = 0, low = 0] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (high + 0.05) / (low + 0.05);
}

describe("colours of expressions", () => {
  it("stay with the label, whatever the model's order", () => {
    assert.deepEqual(coloursOf(["happy", "sad"]), ["#E69F00", "#0072B2"]);
    assert.deepEqual(coloursOf(["sad", "happy"]), ["#0072B2", "#E69F00"]);
  });

  it("are assigned to unknown labels in any order, without repetition among a few", () => {
    const labels = ["happy", "contempt", "toString", "neutral", "bored"];
    const colours = coloursOf(labels);
    assert.equal(new Set(colours).size, 5);
    assert.deepEqual(coloursOf([...labels].reverse()), [...colours].reverse());
  });

  it("are not repeated among as many labels as there are colours", () => {
    const own = Array.from({ length: 12 }, (_, i) => `class-${i}`);
    for (const labels of [
      own,
      [...own, "happy", "sad"],
      [...own, ...own.slice(0, 5).map((name) => `${name}x`)],
    ])
      assert.equal(new Set(coloursOf(labels)).size, labels.length, labels.join(" "));
  });

  it("of unknown labels differ from all others in use for any colour vision", () => {
    const known = ["happy", "surprise", "neutral", "sad", "angry", "fear", "disgust"];
    const some = Array.from({ length: 2 ** known.length }, (_, bits) =>
      known.filter((_, i) => bits & (1 << i)),
    );
    for (const labels of [...some, ["angry", "calm", "happy", "sad", "surprised"]]) {
      const all = [...labels, "calm", "surprised"].filter((label, i, list) => list.indexOf(label) === i);
      const colours = coloursOf(all);
      for (const [i, label] of all.entries()) {
        if (known.includes(label)) continue;
        const [own, ...others] = [colours[i], ...colours.filter((_, j) => j !== i)];
        for (const other of others)
          assert(own && difference(own, other) >= 0.07, `${all.join(" ")}: ${label} ${own}, ${other}`);
      }
    }
  });

  it("of unknown labels stand out from light and dark backgrounds, 3:1", () => {
    const sheets = ["../../src/report/style.ts", "../../src/web/app.css"].map((name) =>
      readFileSync(new URL(name, import.meta.url), "utf8"),
    );
    const backgrounds = sheets.flatMap((sheet) =>
      [...sheet.matchAll(/--(?:page|card|surface|raised): ?light-dark\((#\w+), ?(#\w+)\)/g)].flatMap(
        ([, light = "", dark = ""]) => [light, dark],
      ),
    );
    assert(backgrounds.length >= 10, backgrounds.join(" "));
    for (const colour of coloursOf(Array.from({ length: 10 }, (_, i) => `class-${i}`)))
      for (const background of backgrounds)
        assert(contrast(colour, background) >= 3, `${colour} on ${background}`);
  });

  it("are valid colours for any number of labels", () => {
    for (const colour of coloursOf(Array.from({ length: 40 }, (_, i) => `class-${i}`)))
      assert.match(colour, /^#[0-9A-F]{6}$/);
  });
});
