import assert from "node:assert/strict";
import { from, lastValueFrom, map, toArray } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import type { Face } from "#src/media/frame.js";
import { smooth } from "#src/operators/smooth.js";
import { testContext } from "../support/context.js";
import { faceAt, facesOf, frameOf } from "../support/frames.js";

type Options = Parameters<typeof smooth.build>[0];

/** One track's faces after `smooth`, given probabilities every 100 ms unless told otherwise. */
async function steadied(
  frames: readonly (readonly number[])[],
  options: Options,
  everyMs = 100,
): Promise<Face[]> {
  const { context, pool } = testContext({ slots: frames.length });
  const operate = await smooth.build(options, context);
  const items = frames.map((values, i) => {
    const probabilities = Float32Array.from(values);
    return facesOf(frameOf(pool, i, { mediaTimeMs: i * everyMs }), [
      faceAt(30, 30, 20, { track: 1, probabilities }),
    ]);
  });
  const out = await lastValueFrom(from(items).pipe(operate, toArray()));
  return out.flatMap(({ faces }) => faces);
}

const A = [1, 0];
const B = [0, 1];

describe("smooth", () => {
  it("halves the weight of the past each halfLife of media time", async () => {
    const faces = await steadied([A, B, B, B], { halfLife: 100 });
    assert.deepEqual(
      faces.map(({ smoothed }) => [...(smoothed ?? [])]),
      [
        [1, 0],
        [0.5, 0.5],
        [0.25, 0.75],
        [0.125, 0.875],
      ],
    );
  });

  it("leaves the model's own probabilities on the face", async () => {
    const faces = await steadied([A, B], { halfLife: 100 });
    assert.deepEqual([...(faces[1]?.probabilities ?? [])], B);
  });

  it("changes the label only when another leads by margin", async () => {
    const options = { halfLife: 0, hold: 0, margin: 0.25 };
    const faces = await steadied([A, [0.4375, 0.5625], [0.375, 0.625], [0.5625, 0.4375]], options);
    assert.deepEqual(
      faces.map(({ label }) => label),
      [0, 0, 1, 1],
    );
  });

  it("changes the label only after it has lasted for hold, and says when the new one began", async () => {
    const faces = await steadied([A, B, B, B, A], { halfLife: 0, hold: 250 });
    assert.deepEqual(
      faces.map(({ label, labelSinceMs }) => [label, labelSinceMs]),
      [
        [0, 0],
        [0, 0],
        [0, 0],
        [1, 300],
        [1, 300],
      ],
    );
  });

  it("votes over the window", async () => {
    const faces = await steadied([A, A, B, B, B], { method: "vote", window: 200, hold: 0, margin: 0 });
    assert.deepEqual(
      faces.map(({ label }) => label),
      [0, 0, 0, 1, 1],
    );
    assert.ok(Math.abs((faces[3]?.smoothed?.[1] ?? 0) - 2 / 3) < 1e-6);
  });

  it("counts a lead of exactly margin, and none at a tie", async () => {
    const vote = { method: "vote", window: 60_000, hold: 0 } as const;
    for (let n = 2; n <= 30; n++) {
      // `n` votes for A, then B up to a lead of a half: 3 n.
      const votes = [...Array<number[]>(n).fill(A), ...Array<number[]>(3 * n).fill(B)];
      const labels = (await steadied(votes, { ...vote, margin: 0.5 })).map(({ label }) => label);
      assert.deepEqual([labels.at(-2), labels.at(-1)], [0, 1], `${n} against ${3 * n}`);
    }
    const labels = (await steadied([B, A, B], { ...vote, margin: 0 })).map(({ label }) => label);
    assert.deepEqual(labels, [1, 1, 1]);
  });

  it("holds a label for 300 ms, which is nine frames of 30 a second, however its times are rounded", async () => {
    for (let n = 10; n <= 100; n++) {
      const frames = [...Array<number[]>(n).fill(A), B, ...Array<number[]>(9).fill(A)];
      const labels = (await steadied(frames, { halfLife: 0 }, 1000 / 30)).map(({ label }) => label);
      assert.deepEqual(labels.slice(-10), [...Array<number>(9).fill(1), 0], `from frame ${n} on`);
    }
  });

  it("follows the newest frame with halfLife 0, even if no time has passed", async () => {
    const faces = await steadied([A, B], { halfLife: 0 }, 0);
    assert.deepEqual([...(faces[1]?.smoothed ?? [])], B);
  });

  it("forgets a face that it has not seen for more than a minute", async () => {
    for (const [everyMs, label] of [
      [60_000, 0],
      [60_001, 1],
    ] as const) {
      const faces = await steadied([A, B], { halfLife: 3_600_000 }, everyMs);
      assert.equal(faces[1]?.label, label);
    }
  });

  it("passes frames on at once, and faces without track or probabilities unchanged", () => {
    const { context, pool } = testContext();
    const operate = smooth.build({}, context);
    assert.ok(typeof operate === "function");
    const plain = faceAt(30, 30);
    new TestScheduler(assert.deepEqual).run(({ cold, expectObservable }) => {
      const out = cold("-a-|", { a: facesOf(frameOf(pool, 0), [plain]) }).pipe(
        operate,
        map(({ faces }) => faces),
      );
      expectObservable(out).toBe("-a-|", { a: [plain] });
    });
  });

  it("keeps tracks of different sources apart", async () => {
    const { context, pool } = testContext();
    const operate = await smooth.build({ halfLife: 1000 }, context);
    const items = [A, B].map((values, i) =>
      facesOf(frameOf(pool, i, { source: `cam${i}` }), [
        faceAt(30, 30, 20, { track: 1, probabilities: Float32Array.from(values) }),
      ]),
    );
    const out = await lastValueFrom(from(items).pipe(operate, toArray()));
    assert.deepEqual(
      out.map(({ faces }) => faces[0]?.label),
      [0, 1],
    );
  });
});
