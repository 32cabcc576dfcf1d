import assert from "node:assert/strict";
import fc from "fast-check";
import { Timeline } from "#src/report/timeline.js";

const span = fc
  .tuple(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: -1_000_000, max: 1_000_000 }),
    fc.integer({ min: 1, max: 500_000 }),
  )
  .map(([label, fromMs, ms]) => ({ label, fromMs, toMs: fromMs + ms }));

describe("a timeline of buckets", () => {
  it("keeps the time of every label within its maximum number of buckets, whatever is added", () => {
    fc.assert(
      fc.property(fc.array(span, { minLength: 1, maxLength: 30 }), (spans) => {
        const timeline = new Timeline(20, 125);
        const expected = [0, 0, 0, 0];
        for (const { label, fromMs, toMs } of spans) {
          timeline.add(label, fromMs, toMs);
          expected[label] = (expected[label] ?? 0) + toMs - fromMs;
        }
        const entries = timeline.entries();
        assert(entries.length <= 20, `${entries.length} buckets`);
        const totals = [0, 0, 0, 0];
        for (const { ms } of entries)
          ms.forEach((value, label) => {
            totals[label] = (totals[label] ?? 0) + (value ?? 0);
          });
        assert.deepEqual(totals, expected);
      }),
    );
  });

  it("puts time in the right place: buckets are in order and contain at most their width of a span", () => {
    fc.assert(
      fc.property(span, ({ label, fromMs, toMs }) => {
        const timeline = new Timeline(20, 125);
        timeline.add(label, fromMs, toMs);
        let before = Number.NEGATIVE_INFINITY;
        for (const { startMs, ms } of timeline.entries()) {
          assert(startMs > before && startMs < toMs && startMs + timeline.widthMs > fromMs);
          assert((ms[label] ?? 0) > 0 && (ms[label] ?? 0) <= timeline.widthMs);
          before = startMs;
        }
      }),
    );
  });

  it("ignores a span that ends before it starts", () => {
    const timeline = new Timeline();
    timeline.add(0, 10, 10);
    timeline.add(0, 10, 5);
    assert.deepEqual(timeline.entries(), []);
  });
});
