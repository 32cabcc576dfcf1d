import assert from "node:assert/strict";
import type { FaceDataset } from "#src/model/data/index.js";
import { countTable, rowsOf } from "#src/model/data/index.js";
import { divide } from "#src/model/data/split.js";

/** 100 pictures of class 0 and 50 of class 1, a third each in three splits. */
function faces(): FaceDataset {
  const n = 150;
  return {
    name: "faces",
    labels: ["a", "b"],
    width: 1,
    height: 1,
    images: new Uint8Array(new SharedArrayBuffer(n)),
    label: Uint8Array.from({ length: n }, (_, i) => (i < 100 ? 0 : 1)),
    splits: ["Training", "PublicTest", "PrivateTest"],
    split: Uint8Array.from({ length: n }, (_, i) => i % 3),
    ids: Array.from({ length: n }, (_, i) => `row ${i}`),
  };
}

describe("divide", () => {
  it("divides all pictures again, class by class, by the seed", () => {
    const options = { training: 0.8, seed: 1 };
    const divided = divide(faces(), options);
    assert.deepEqual(divided.splits, ["training", "validation"]);
    assert.deepEqual(
      countTable(divided)
        .split("\n")
        .slice(1)
        .map((line) => line.split(/\s+/)),
      [
        ["a", "80", "20"],
        ["b", "40", "10"],
        ["all", "120", "30"],
      ],
    );
    assert.deepEqual(divide(faces(), options).split, divided.split);
    assert.notDeepEqual(divide(faces(), { ...options, seed: 2 }).split, divided.split);
    const learnt = rowsOf(divided, ["training"]);
    assert.equal(new Set([...learnt].map((row) => row % 3)).size, 3, "all three splits contribute");
  });

  it("leaves splits that are not named as they are", () => {
    const divided = divide(faces(), { training: 0.5, seed: 1, of: ["Training"] });
    assert.deepEqual(divided.splits, ["training", "validation", "PublicTest", "PrivateTest"]);
    for (const name of ["PublicTest", "PrivateTest"])
      assert.deepEqual(rowsOf(divided, [name]), rowsOf(faces(), [name]));
    assert.deepEqual([...rowsOf(divided, ["training", "validation"])], [...rowsOf(faces(), ["Training"])]);
  });

  it("accepts split names in any case, and never makes a second split of the same name", () => {
    const { splits, split } = faces();
    const own = { ...faces(), splits: ["Training", "validation", "test"] };
    const divided = divide(own, { training: 0.5, seed: 1, of: ["train", "TEST"] });
    assert.deepEqual(divided.splits, ["training", "validation"]);
    for (const [row, index] of split.entries())
      if (splits[index] === "PublicTest") assert.equal(divided.splits[divided.split[row] ?? 0], "validation");
  });

  it("leaves at least one of two pictures on each side", () => {
    const two = { ...faces(), label: faces().label.map((_, i) => (i < 148 ? 0 : 1)) };
    for (const training of [0.01, 0.9]) {
      const divided = divide(two, { training, seed: 1 });
      assert.deepEqual([...divided.split.subarray(148)].sort(), [0, 1]);
    }
  });

  it("names a split that does not exist", () => {
    assert.throws(() => divide(faces(), { training: 0.8, seed: 1, of: ["Test"] }), {
      name: "ConfigError",
      message:
        /faces: `split\.of` names Test, which does not exist; the data set has Training, PublicTest, PrivateTest/,
    });
  });
});
