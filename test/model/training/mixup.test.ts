import assert from "node:assert/strict";
import type { Batch } from "#src/model/data/index.js";
import { Random } from "#src/model/data/random.js";
import { mixup } from "#src/model/training/mixup.js";

const SIZE = 8;

/** As many classes as pictures, so that a mixed target reveals the share. */
const batch: Batch = {
  x: new Float32Array(SIZE),
  y: Float32Array.from({ length: SIZE ** 2 }, (_, i) => (i % (SIZE + 1) === 0 ? 1 : 0)),
  weight: new Float32Array(SIZE).fill(1),
  size: SIZE,
};

/** Shares of many batches. */
function shares(alpha: number): number[] {
  return Array.from({ length: 400 }, (_, step) => {
    const { y } = mixup(batch, alpha, new Random(1, step));
    return Math.max(...y.subarray(0, SIZE));
  });
}

describe("mixup", () => {
  it("takes nearly all of one picture if alpha is small, however small", () => {
    for (const alpha of [0.01, 0.001, 1e-6]) {
      const mixed = shares(alpha).filter((share) => share < 0.95);
      assert.ok(mixed.length < 20, `alpha ${alpha}: ${mixed.length} of 400`);
    }
  });

  it("takes halves if alpha is large", () => {
    const mean = shares(100).reduce((sum, share) => sum + share, 0) / 400;
    assert.ok(mean < 0.65, String(mean));
  });
});
