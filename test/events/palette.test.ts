import assert from "node:assert/strict";
import { coloursOf } from "#src/events/palette.js";

describe("colours of expressions", () => {
  it("stay with the label, whatever the model's order", () => {
    assert.deepEqual(coloursOf(["happy", "sad"]), ["#E69F00", "#0072B2"]);
    assert.deepEqual(coloursOf(["sad", "happy"]), ["#0072B2", "#E69F00"]);
  });

  it("are given to unknown labels in their order, none twice among few", () => {
    const colours = coloursOf(["happy", "contempt", "toString", "neutral", "bored"]);
    assert.equal(new Set(colours).size, 5);
    assert.deepEqual(coloursOf(["contempt", "bored"]), [colours[1], colours[2]]);
  });

  it("are colours for any number of labels", () => {
    for (const colour of coloursOf(Array.from({ length: 40 }, (_, i) => `class-${i}`)))
      assert.match(colour, /^#[0-9A-F]{6}$/);
  });
});
