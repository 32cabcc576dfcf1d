import assert from "node:assert/strict";
import fc from "fast-check";
import { fitPrior } from "#src/model/training/prior.js";

/** Rows of probabilities with shifted logits. */
function shifted(probabilities: Float32Array, shift: Float64Array): number[][] {
  const classes = shift.length;
  return Array.from({ length: probabilities.length / classes }, (_, i) => {
    const row = Array.from(shift, (by, c) => Math.log(probabilities[i * classes + c] ?? 0) + by).map(
      Math.exp,
    );
    const sum = row.reduce((a, b) => a + b, 0);
    return row.map((value) => value / sum);
  });
}

describe("fitPrior", () => {
  it("finds the shift applied to a calibrated model", () => {
    // Two kinds of pictures: 30 in 40 of one are of class 0, 10 in 60 of the other.
    const label = Uint8Array.from({ length: 100 }, (_, i) => (i < 40 ? (i < 30 ? 0 : 1) : i < 50 ? 0 : 1));
    const odds = (i: number) => (i < 40 ? 30 / 10 : 10 / 50) * Math.exp(0.7);
    const probabilities = Float32Array.from({ length: 200 }, (_, at) => {
      const o = odds(Math.floor(at / 2));
      return at % 2 === 0 ? o / (1 + o) : 1 / (1 + o);
    });
    const [first = 0, second = 0] = fitPrior(probabilities, label, 2);
    assert(Math.abs(first - second + 0.7) < 1e-4, String(first - second));
  });

  it("makes each class as probable as it is frequent", () => {
    const row = fc.array(fc.double({ min: 0.02, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });
    const picture = fc.record({ row, label: fc.integer({ min: 0, max: 2 }) });
    fc.assert(
      fc.property(fc.array(picture, { minLength: 1, maxLength: 30 }), (pictures) => {
        const probabilities = Float32Array.from(
          pictures.flatMap((one) => one.row.map((value) => value / one.row.reduce((a, b) => a + b, 0))),
        );
        const label = Uint8Array.from(pictures, (one) => one.label);
        const present = [0, 1, 2].filter((c) => label.includes(c));
        fc.pre(present.length === 3);
        const rows = shifted(probabilities, fitPrior(probabilities, label, 3));
        for (const c of present) {
          const mean = rows.reduce((sum, one) => sum + (one[c] ?? 0), 0) / rows.length;
          const share = label.filter((own) => own === c).length / label.length;
          assert(Math.abs(mean - share) < 1e-4, `${mean} ${share}`);
        }
      }),
    );
  });

  it("leaves a class without pictures alone", () => {
    const shift = fitPrior(Float32Array.of(0.5, 0.3, 0.2, 0.2, 0.6, 0.2), Uint8Array.of(0, 1), 3);
    assert.equal(shift[2], 0);
    assert(shift.every(Number.isFinite));
  });
});
