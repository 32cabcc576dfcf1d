import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { from, lastValueFrom, map, toArray } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import type { Face } from "#src/media/frame.js";
import { track } from "#src/operators/track.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { testContext } from "../support/context.js";
import { faceAt, facesOf, frameOf } from "../support/frames.js";

const FILE = "{ type: file, path: a.mp4 }";

/** Track numbers frame by frame, for faces given frame by frame, 40 ms apart. */
async function follow(
  frames: readonly (readonly Face[])[],
  options: Parameters<typeof track.build>[0] = { minHits: 1 },
  timeMs = (i: number) => 40 * i,
): Promise<(number | undefined)[][]> {
  const { context, pool } = testContext({ slots: frames.length });
  const operate = await track.build(options, context);
  const items = frames.map((faces, i) => facesOf(frameOf(pool, i, { mediaTimeMs: timeMs(i) }), faces));
  const out = await lastValueFrom(from(items).pipe(operate, toArray()));
  assert.equal(out.length, frames.length);
  assert.equal(pool.leased, frames.length, "leases are passed on");
  return out.map(({ faces }) => faces.map((face) => face.track));
}

describe("track", () => {
  it("passes each frame on at once", () => {
    const { context, pool } = testContext();
    const operate = track.build({ minHits: 1 }, context);
    assert.ok(typeof operate === "function");
    const values = {
      a: facesOf(frameOf(pool, 0), [faceAt(30, 30)]),
      b: facesOf(frameOf(pool, 1), [faceAt(31, 30)]),
    };
    new TestScheduler(assert.deepEqual).run(({ cold, expectObservable }) => {
      const tracks = cold("a--b|", values).pipe(
        operate,
        map(({ faces }) => faces[0]?.track),
      );
      expectObservable(tracks).toBe("1--1|", { 1: 1 });
    });
  });

  it("says which detections it does not pass on: those that must be found again, and a second box over a face", async () => {
    const { context, pool } = testContext({ slots: 2 });
    const [face, second] = [faceAt(260, 100, 120), faceAt(335, 100, 110)];
    const items = [[face], [face, second]].map((faces, i) => facesOf(frameOf(pool, i), faces));
    const out = await lastValueFrom(from(items).pipe(await track.build({}, context), toArray()));
    assert.deepEqual(
      out.map(({ faces, passedOver }) => [faces.length, passedOver]),
      [
        [0, [face.box]],
        [1, [second.box]],
      ],
    );
  });

  it("keeps a number though two frames are only a millisecond apart", async () => {
    const frames = [
      [faceAt(100, 60, 40)],
      [faceAt(103, 60, 40)],
      [faceAt(106, 60, 40)],
      [faceAt(109, 60, 40)],
    ];
    const times = [0, 1, 34, 67];
    assert.deepEqual(await follow(frames, { minHits: 1 }, (i) => times[i] ?? 0), [[1], [1], [1], [1]]);
  });

  it("follows a fast face through a gap in a slow-motion recording", async () => {
    const frames = Array.from({ length: 40 }, (_, i) =>
      i > 12 && i < 30 ? [] : [faceAt(30 + 8 * i, 60, 40)],
    );
    const numbers = await follow(frames, { minHits: 1 }, (i) => (i * 1000) / 240);
    assert.ok(
      numbers.flat().every((number) => number === 1),
      String(numbers),
    );
  });

  it("counts the faces that it follows, over all sources", async () => {
    const { context, pool } = testContext({ slots: 4 });
    const found = [[faceAt(30, 30), faceAt(150, 90)], [faceAt(30, 30)]];
    const items = ["door", "hall"].flatMap((source) =>
      found.map((faces, i) => facesOf(frameOf(pool, i, { source }), faces)),
    );
    await lastValueFrom(from(items).pipe(await track.build({}, context)));
    assert.equal(context.stats.tracks, 2);
  });

  it("keeps a face's number through missed frames", async () => {
    const frames = [[faceAt(30, 30)], [faceAt(31, 30)], [], [], [], [faceAt(35, 30)]];
    assert.deepEqual(await follow(frames), [[1], [1], [], [], [], [1]]);
  });

  it("gives a new number after maxGap, never an old one", async () => {
    const frames = [[faceAt(30, 30)], [], [], [], [faceAt(30, 30)], [faceAt(30, 30)]];
    assert.deepEqual(await follow(frames, { minHits: 1, maxGap: 100 }), [[1], [], [], [], [2], [2]]);
  });

  it("keeps a number for a second without the face, and no longer, by default", async () => {
    const unseenFor = (gap: number) => [
      [faceAt(30, 30)],
      ...Array.from({ length: gap }, () => []),
      [faceAt(30, 30)],
    ];
    assert.deepEqual((await follow(unseenFor(24))).at(-1), [1]); // 25 frames later is 1000 ms
    assert.deepEqual((await follow(unseenFor(25))).at(-1), [2]);
  });

  it("keeps a number through frames a second apart that come a little late", async () => {
    const faces = Array.from({ length: 4 }, () => [faceAt(30, 30)]);
    assert.deepEqual(await follow(faces, {}, (i) => 1001 * i), [[], [1], [1], [1]]); // 29.97 a second, every 30th
    assert.deepEqual(await follow(faces, {}, (i) => 1100 * i), [[], [1], [1], [1]]); // a camera with 10 a second
  });

  it("expects a face where its movement has taken it", async () => {
    const centres = [0, 30, 75, 120, undefined, undefined, 255];
    const frames = centres.map((x) => (x === undefined ? [] : [faceAt(100 + x, 100, 40)]));
    assert.deepEqual(await follow(frames), [[1], [1], [1], [1], [], [], [1]]);
  });

  it("does not take one step back for a turn", async () => {
    const centres = [0, 10, 20, 30, 40, 50, 45, undefined, undefined, undefined, undefined, 95];
    const frames = centres.map((x) => (x === undefined ? [] : [faceAt(100 + x, 100, 40)]));
    assert.deepEqual((await follow(frames)).at(-1), [1]);
  });

  it("tells apart by their sizes two faces that are equally near", async () => {
    const frames = [
      [faceAt(100, 100, 40), faceAt(130, 100, 70)],
      [faceAt(115, 100, 70), faceAt(115, 100, 40)],
    ];
    assert.deepEqual(await follow(frames, { minHits: 1, maxOverlap: 1 }), [
      [1, 2],
      [2, 1],
    ]);
  });

  it("keeps numbers when two faces cross", async () => {
    const frames = Array.from({ length: 21 }, (_, i) => {
      const left = faceAt(100 + i * 10, 100, 60);
      const right = faceAt(300 - i * 10, 110, 60);
      return i % 2 === 0 ? [left, right] : [right, left]; // the detector's order has no meaning
    });
    for (const [i, ids] of (await follow(frames)).entries())
      assert.deepEqual(ids, i % 2 === 0 ? [1, 2] : [2, 1], `frame ${i}`);
  });

  it("does not pass on a one-frame mistake of the detector", async () => {
    const good = [faceAt(30, 30)];
    const frames = [good, good, [...good, faceAt(150, 90)], good, good];
    assert.deepEqual(await follow(frames, { minHits: 2 }), [[], [1], [1], [1], [1]]);
  });

  it("begins no track on a second box over a face, however often it is detected", async () => {
    const twice = [faceAt(201, 121, 162), faceAt(211, 166, 130)];
    const frames = [[faceAt(211, 166, 130)], twice, twice, [...twice].reverse(), twice];
    assert.deepEqual(await follow(frames), [[1], [1], [1], [1], [1]]);
    assert.deepEqual((await follow(frames, { minHits: 1, maxOverlap: 1 })).at(-1)?.length, 2);
  });

  it("does not pass on a find that is not a track yet and then lies over a face", async () => {
    const face = faceAt(100, 100, 60);
    const frames = [[face], [face], [face], [face, faceAt(160, 100, 60)]];
    for (let i = 0; i < 4; i++) frames.push([face, faceAt(135, 100, 60)]);
    assert.deepEqual((await follow(frames, { minHits: 3 })).at(-1), [1]);
  });

  it("follows the higher-scoring of two boxes that appear over one face", async () => {
    const twice = [faceAt(201, 121, 162, { score: 6 }), faceAt(211, 166, 130, { score: 40 })];
    const operate = track.build({ minHits: 1 }, testContext().context);
    assert.ok(typeof operate === "function");
    const { pool } = testContext();
    const { faces } = await lastValueFrom(from([facesOf(frameOf(pool, 0), twice)]).pipe(operate));
    assert.deepEqual(
      faces.map(({ score, track }) => ({ score, track })),
      [{ score: 40, track: 1 }],
    );
  });

  it("follows faces that overlap only after they got their numbers", async () => {
    const frames = [0, 1, 2, 3, 4, 5].map((i) => [faceAt(100 + i * 14, 100, 60), faceAt(190, 100, 60)]);
    for (const ids of await follow(frames)) assert.deepEqual(ids, [1, 2]);
  });

  it("takes a face far away, or of a different size, for another one", async () => {
    const frames = [[faceAt(30, 30)], [faceAt(80, 30)], [faceAt(80, 30, 60)]];
    assert.deepEqual(await follow(frames), [[1], [2], [3]]);
  });

  it("numbers the tracks of each source separately, so that numbers do not depend on which came first", async () => {
    const { context, pool } = testContext({ slots: 4 });
    const operate = await track.build({ minHits: 1 }, context);
    const items = ["b", "a", "a", "b"].map((source, i) =>
      facesOf(frameOf(pool, i, { source }), [source === "a" ? faceAt(30, 30) : faceAt(200, 150)]),
    );
    const out = await lastValueFrom(from(items).pipe(operate, toArray()));
    assert.deepEqual(
      out.map(({ faces }) => faces[0]?.track),
      [1, 1, 1, 1],
    );
  });

  it("gives a warning if frames are so far apart that no face can be found twice", async () => {
    const warnings = (source: string, operators: string) =>
      parsePipeline(
        `version: 1\nsources: [${source}]\noperators: [${operators}]\nsinks: [{ type: video, path: b.mp4 }]\n`,
        tmpdir(),
      ).warnings.map((line) => line.replace(/^.*track: /, ""));
    const slow = "{ type: sample, fps: 0.5 }, { type: detect }";
    assert.deepEqual(warnings(FILE, `${slow}, { type: track }`), [
      "frames are 2 s apart, so every track ends (`maxGap`: 1 s) before its face is found in `minHits`: 2 frames, and no face is passed on; give a longer `maxGap`, or `minHits: 1`",
    ]);
    assert.equal(
      warnings("{ type: images, path: ., fps: 0.5 }", "{ type: detect }, { type: track }").length,
      1,
    );
    const third = "{ type: sample, fps: 0.3 }, { type: detect }, { type: track }";
    assert.match(warnings(FILE, third).join(), /^frames are 3\.333 s apart/);
    assert.deepEqual(warnings(FILE, `${slow}, { type: track, maxGap: 2s }`), []);
    assert.deepEqual(warnings(FILE, `${slow}, { type: track, minHits: 1 }`), []);
    assert.deepEqual(warnings(FILE, "{ type: detect }, { type: track, maxGap: 10ms }"), []);
    assert.match(
      warnings(FILE, "{ type: detect }, { type: track, maxGap: 0 }").join(),
      /^every track ends \(`maxGap`: 0 s\)/,
    );
    const apart = Array.from({ length: 4 }, () => [faceAt(30, 30)]);
    assert.deepEqual(await follow(apart, {}, (i) => 2000 * i), [[], [], [], []], "what it warns of is so");
    assert.deepEqual(await follow(apart, { maxGap: 2000 }, (i) => 2000 * i), [[], [1], [1], [1]]);
  });
});
