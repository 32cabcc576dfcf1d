import assert from "node:assert/strict";
import fc from "fast-check";
import { fitRegression } from "#src/model/data/regression.js";

describe("multinomial regression", () => {
  it("gives each category of pictures the shares of the labels in it", () => {
    const counts = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 3, maxLength: 3 }), {
      minLength: 2,
      maxLength: 5,
    });
    fc.assert(
      fc.property(counts, (categories) => {
        const oneHot = (k: number) => categories.map((_, i) => (i === k ? 1 : 0));
        const x: number[][] = [];
        const label: number[] = [];
        categories.forEach((shares, k) => {
          shares.forEach((n, c) => {
            for (let i = 0; i < n; i++) {
              x.push(oneHot(k));
              label.push(c);
            }
          });
        });
        const predict = fitRegression(x, label, 3);
        categories.forEach((shares, k) => {
          const all = shares.reduce((a, b) => a + b);
          predict(oneHot(k)).forEach((p, c) => {
            assert.ok(Math.abs(p - (shares[c] ?? 0) / all) < 0.01, `${p}, not ${shares[c]} of ${all}`);
          });
        });
      }),
      { numRuns: 50 },
    );
  });

  it("finds the model again whose probabilities the labels follow", () => {
    const truth = (value: number) => {
      const z = [Math.exp(2 * value), Math.exp(-value), 1];
      const sum = z.reduce((a, b) => a + b);
      return z.map((one) => one / sum);
    };
    const values = [-2, -1, 0, 1, 2];
    const examples = values.flatMap((value) =>
      truth(value).flatMap((p, c) => Array.from({ length: Math.round(1000 * p) }, () => ({ value, c }))),
    );
    const predict = fitRegression(
      examples.map(({ value }) => [value]),
      examples.map(({ c }) => c),
      3,
    );
    for (const value of [...values, 0.5])
      predict([value]).forEach((p, c) => {
        assert.ok(Math.abs(p - (truth(value)[c] ?? 0)) < 0.01, `${value}: ${p}, not ${truth(value)[c]}`);
      });
  });

  it("copes with features that never vary, and with classes that never occur", () => {
    const predict = fitRegression(
      [
        [1, 0],
        [1, 0],
        [1, 0],
      ],
      [1, 1, 0],
      3,
    );
    const p = predict([1, 0]);
    assert.ok(Math.abs((p[1] ?? 0) - 2 / 3) < 0.02, String(p));
    assert.ok((p[2] ?? 1) < 0.02, String(p));
  });
});
