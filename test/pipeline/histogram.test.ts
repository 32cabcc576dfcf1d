import assert from "node:assert/strict";
import fc from "fast-check";
import { Histogram, quantile } from "#src/pipeline/histogram.js";

const BOUNDS = [10, 20, 50, 100];

describe("quantile of a histogram", () => {
  it("lies in the bucket that holds the value of that rank", () => {
    const values = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(values, fc.double({ min: 0.01, max: 1, noNaN: true }), (all, part) => {
        const histogram = new Histogram(BOUNDS);
        for (const value of all) histogram.add(value);
        const ranked = [...all].sort((a, b) => a - b)[Math.ceil(part * all.length - 1e-9) - 1] ?? 0;
        const bucket = BOUNDS.findIndex((bound) => ranked <= bound);
        const read = quantile(histogram, part) ?? Number.NaN;
        assert.ok(read >= (BOUNDS[bucket - 1] ?? 0) - 1e-9 && read <= (BOUNDS[bucket] ?? 0) + 1e-9);
      }),
    );
  });

  it("is undefined without values, and the last bound for values above it", () => {
    const histogram = new Histogram(BOUNDS);
    assert.equal(quantile(histogram, 0.5), undefined);
    histogram.add(5000);
    assert.equal(quantile(histogram, 0.5), 100);
  });

  it("spreads the values of a bucket evenly", () => {
    assert.equal(quantile({ bounds: BOUNDS, counts: [0, 4, 0, 0, 0] }, 0.5), 15);
    assert.equal(quantile({ bounds: BOUNDS, counts: [1, 0, 1, 0, 0] }, 1), 50);
  });
});
