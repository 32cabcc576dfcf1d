import assert from "node:assert/strict";
import fc from "fast-check";
import { assign } from "#src/operators/hungarian.js";

/** Most pairs first, then lowest cost: tries every way of assigning distinct columns, or none, to rows. */
function bruteForce(cost: number[][]): { pairs: number; total: number } {
  const columns = cost[0]?.length ?? 0;
  let best = { pairs: 0, total: 0 };
  const place = (row: number, used: Set<number>, pairs: number, total: number): void => {
    if (row === cost.length) {
      if (pairs > best.pairs || (pairs === best.pairs && total < best.total)) best = { pairs, total };
      return;
    }
    place(row + 1, used, pairs, total);
    for (let column = 0; column < columns; column++) {
      const value = cost[row]?.[column] ?? Number.POSITIVE_INFINITY;
      if (used.has(column) || !Number.isFinite(value)) continue;
      used.add(column);
      place(row + 1, used, pairs + 1, total + value);
      used.delete(column);
    }
  };
  place(0, new Set(), 0, 0);
  return best;
}

const cell = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 50 }) },
  { weight: 1, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
);
const matrix = fc
  .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 }))
  .chain(([rows, columns]) =>
    fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), {
      minLength: rows,
      maxLength: rows,
    }),
  );

describe("assign", () => {
  it("pairs as many as possible at the lowest total cost, like trying every way", () => {
    fc.assert(
      fc.property(matrix, (cost) => {
        const columns = assign(cost);
        const paired = columns.map((column, row) => ({ column, row })).filter(({ column }) => column >= 0);
        assert.equal(new Set(paired.map(({ column }) => column)).size, paired.length);
        const total = paired.reduce((sum, { column, row }) => sum + (cost[row]?.[column] ?? Number.NaN), 0);
        assert.deepEqual({ pairs: paired.length, total }, bruteForce(cost));
      }),
      { numRuns: 500 },
    );
  });

  it("costs little where few tracks meet very many detections, or the reverse", () => {
    for (const [rows, columns] of [
      [10, 200],
      [200, 10],
    ] as const) {
      let reads = 0;
      const counted = (row: number[]) =>
        new Proxy(row, {
          get: (target, key) => {
            reads++;
            return Reflect.get(target, key) as unknown;
          },
        });
      const cost = Array.from({ length: rows }, (_, row) =>
        counted(
          Array.from({ length: columns }, (_, column) => (row === column ? 1 : Number.POSITIVE_INFINITY)),
        ),
      );
      const pairs = assign(cost).filter((column) => column >= 0);
      assert.equal(pairs.length, 10);
      assert.ok(reads < 100_000, `${rows} by ${columns}: ${reads} reads`);
    }
  });

  it("accepts no rows and no columns", () => {
    assert.deepEqual(assign([]), []);
    assert.deepEqual(assign([[], []]), [-1, -1]);
  });
});
