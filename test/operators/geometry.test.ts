import assert from "node:assert/strict";
import fc from "fast-check";
import { covered, grown, iou } from "#src/operators/geometry.js";

const box = fc.record({
  x: fc.integer({ min: 0, max: 60 }),
  y: fc.integer({ min: 0, max: 60 }),
  width: fc.integer({ min: 1, max: 40 }),
  height: fc.integer({ min: 1, max: 40 }),
});

describe("iou", () => {
  it("is the share of the pixels in either box that both have", () => {
    fc.assert(
      fc.property(box, box, (a, b) => {
        let both = 0;
        let either = 0;
        for (let y = 0; y < 100; y++)
          for (let x = 0; x < 100; x++) {
            const [inA, inB] = [a, b].map(
              (one) => x >= one.x && x < one.x + one.width && y >= one.y && y < one.y + one.height,
            );
            if (inA && inB) both++;
            if (inA || inB) either++;
          }
        assert.ok(Math.abs(iou(a, b) - both / either) < 1e-12);
      }),
      { numRuns: 50 },
    );
  });
});

describe("covered", () => {
  it("is the fraction of the smaller box inside the other: 1 if it is entirely inside, never below iou", () => {
    fc.assert(
      fc.property(box, box, (a, b) => {
        const part = covered(a, b);
        assert.equal(part, covered(b, a));
        assert.ok(part >= iou(a, b) && part <= 1);
        const around = { x: a.x - 1, y: a.y - 2, width: a.width + 3, height: a.height + 3 };
        assert.equal(covered(a, around), 1);
      }),
    );
    const [a, b] = [
      { x: 0, y: 0, width: 10, height: 10 },
      { x: 5, y: 0, width: 10, height: 20 },
    ];
    assert.equal(covered(a, b), 0.5);
    assert.equal(covered(a, { ...b, x: 10 }), 0);
  });
});

describe("grown", () => {
  it("stays inside the frame, in whole pixels, and contains the box as far as the frame does", () => {
    const frame = { width: 80, height: 70 };
    fc.assert(
      fc.property(box, fc.double({ min: 0, max: 2, noNaN: true }), (one, fraction) => {
        const region = grown(one, fraction, frame);
        for (const value of Object.values(region)) assert.ok(Number.isInteger(value) && value >= 0);
        assert.ok(region.x + region.width <= frame.width && region.y + region.height <= frame.height);
        assert.ok(region.x <= one.x && region.y <= one.y);
        assert.ok(region.x + region.width >= Math.min(frame.width, one.x + one.width));
        assert.ok(region.y + region.height >= Math.min(frame.height, one.y + one.height));
      }),
    );
    const part = { x: 10.6, y: 20.6, width: 5, height: 5 };
    assert.deepEqual(grown(part, 0, frame), { x: 10, y: 20, width: 6, height: 6 });
    const outside = { x: 90, y: 90, width: 5, height: 5 };
    const { width, height } = grown(outside, 0.5, frame);
    assert.deepEqual([width, height], [0, 0]);
  });
});
