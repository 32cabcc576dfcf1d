import assert from "node:assert/strict";
import { firstValueFrom, from, map, toArray } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import { sample } from "#src/operators/sample.js";
import { testContext } from "../support/context.js";
import { frameOf } from "../support/frames.js";

describe("sample", () => {
  it("keeps the frames that are due in media time, at once, and returns the others", () => {
    const { context, pool } = testContext({ slots: 8 });
    const operate = sample.build({ fps: 10 }, context);
    assert.ok(typeof operate === "function");
    const at = (sequence: number, mediaTimeMs: number) => frameOf(pool, sequence, { mediaTimeMs });
    const frames = { a: at(0, 0), b: at(1, 40), c: at(2, 80), d: at(3, 100), e: at(4, 190), f: at(5, 200) };
    new TestScheduler(assert.deepEqual).run(({ cold, expectObservable }) => {
      const kept = cold("a-b-c-d-ef|", frames).pipe(
        operate,
        map((frame) => frame.mediaTimeMs),
      );
      expectObservable(kept).toBe("a-----d--f|", { a: 0, d: 100, f: 200 });
    });
    assert.equal(pool.leased, 3);
  });

  /** Numbers of the frames that are kept of a second at a rate, whose times are rounded to milliseconds. */
  async function keptOf(rate: number, fps: number): Promise<number[]> {
    const { context, pool } = testContext({ slots: rate });
    const operate = await sample.build({ fps }, context);
    const frames = Array.from({ length: rate }, (_, i) =>
      frameOf(pool, i, { mediaTimeMs: Math.round((i * 1000) / rate) }),
    );
    const kept = await firstValueFrom(from(frames).pipe(operate, toArray()));
    return kept.map(({ sequence }) => sequence);
  }

  it("keeps every third of 30 frames a second at 10, and all at 30, despite rounded times", async () => {
    assert.deepEqual(await keptOf(30, 10), [0, 3, 6, 9, 12, 15, 18, 21, 24, 27]);
    assert.equal((await keptOf(30, 30)).length, 30);
  });

  it("keeps its rate even if no multiple of it is the frame rate", async () => {
    assert.deepEqual(await keptOf(25, 10), [0, 3, 5, 8, 10, 13, 15, 18, 20, 23]);
  });

  it("counts each source separately", async () => {
    const { context, pool } = testContext({ slots: 4 });
    const operate = await sample.build({ fps: 1 }, context);
    const frames = ["a", "b", "a", "b"].map((source, i) => frameOf(pool, i, { source }));
    const kept = await firstValueFrom(from(frames).pipe(operate, toArray()));
    assert.deepEqual(
      kept.map(({ source }) => source),
      ["a", "b"],
    );
    assert.equal(pool.leased, 2);
  });
});
