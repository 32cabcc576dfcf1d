import assert from "node:assert/strict";
import { columnsOf, padEnd, padStart } from "#src/columns.js";

describe("columns of a terminal", () => {
  for (const [text, columns] of [
    ["door", 4],
    ["玄関", 4],
    ["ｶﾒﾗ", 3],
    ["현관", 4],
    ["e\u0301tage", 5],
    ["\u{1f600}", 2],
  ] as const)
    it(`are ${columns} for ${text}`, () => assert.equal(columnsOf(text), columns));

  it("are what texts are padded to", () => {
    assert.equal(padEnd("玄関", 6), "玄関  ");
    assert.equal(padStart("玄関", 6), "  玄関");
    assert.equal(padEnd("玄関の門", 6), "玄関の門");
  });
});
