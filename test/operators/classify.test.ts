import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { concat, concatMap, from, lastValueFrom, map, NEVER, tap, throwError, toArray } from "rxjs";
import type { FaceFrame } from "#src/media/frame.js";
import { classify } from "#src/operators/classify.js";
import { type TestContext, testContext } from "../support/context.js";
import { faceAt, facesOf, frameOf } from "../support/frames.js";
import { writeTinyModel } from "../support/tiny-model.js";

type Options = Parameters<typeof classify.build>[0];

describe("classify", () => {
  let model: string;
  before(async () => {
    model = await writeTinyModel(await mkdtemp(join(tmpdir(), "ekspresi-classify-")));
  });
  after(() => rm(model, { recursive: true, force: true }));

  /** A picture with its left or right half bright, and a face in the middle. */
  function halved({ pool }: TestContext, sequence: number, source: string): FaceFrame {
    const frame = frameOf(pool, sequence, { source });
    const bright = sequence % 2; // 0: left
    const { luma, width } = frame;
    for (let i = 0; i < luma.length; i++)
      luma[i] = (i % width < width / 2 ? 0 : 1) === bright ? 200 + (sequence % 7) : 30;
    const faces = Array.from({ length: sequence % 3 }, (_, f) => faceAt(32, 24, 20 + 3 * f));
    return facesOf(frame, faces);
  }

  /** Everything that leaves, from three sources with interleaved frames. */
  async function classified(options: Options) {
    const test = testContext({ slots: 6 });
    const operate = await classify.build({ model, ...options }, test.context);
    const names = Array.from({ length: 60 }, (_, i) => ({ source: "abc"[(i * i) % 3] ?? "a", sequence: i }));
    const frames = from(names).pipe(
      // As in a recording: the next frame is read when a slot is free.
      concatMap(async ({ source, sequence }) => {
        while (test.pool.free === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        return halved(test, sequence, source);
      }),
      operate,
      map(({ frame, faces }) => {
        frame.release();
        return { source: frame.source, sequence: frame.sequence, faces };
      }),
      toArray(),
    );
    try {
      const out = await lastValueFrom(frames);
      assert.equal(test.pool.free, 6);
      const [stats] = test.context.stats.engines;
      assert(stats && stats.batches > 0 && stats.busyMs > 0, "batches are counted");
      assert.equal(stats.faces, out.flatMap(({ faces }) => faces).length);
      assert.deepEqual([stats.model, stats.version, stats.provider], ["tiny", "1", "onnx cpu"]);
      return "abc".split("").map((source) => out.filter((item) => item.source === source));
    } finally {
      await test.close();
    }
  }

  it("gives the same, in source order, whatever the batch size", async () => {
    const one = await classified({ batch: { size: 1 } });
    assert.equal(one.flat().length, 60);
    for (const source of one) {
      const sequences = source.map(({ sequence }) => sequence);
      assert.deepEqual(
        sequences,
        [...sequences].sort((a, b) => a - b),
      );
    }
    for (const size of [4, 32]) assert.deepEqual(await classified({ batch: { size } }), one, `size ${size}`);
    for (const { sequence, faces } of one.flat())
      for (const face of faces) {
        assert.equal(face.label, sequence % 2, "it reads the face's own pixels");
        assert.deepEqual(face.model, { name: "tiny", version: "1", labels: ["left", "right", "bright"] });
        assert.equal(face.probabilities?.length, 3);
      }
  });

  it("averages with the mirror image", async () => {
    for (const { faces } of (await classified({ flip: true, batch: { size: 4 } })).flat())
      for (const { probabilities = [] } of faces) {
        assert.ok(Math.abs((probabilities[0] ?? 0) - (probabilities[1] ?? 1)) < 1e-6);
        const sum = [...probabilities].reduce((total, value) => total + value, 0);
        assert.ok(Math.abs(sum - 1) < 1e-5);
      }
  });

  it("crops with the margin that it is given", async () => {
    const [card, wide] = [await classified({}), await classified({ margin: 1 })];
    const [one, other] = [card, wide].map(
      (out) => out.flat().flatMap(({ faces }) => faces)[0]?.probabilities,
    );
    assert.ok(one && other);
    assert.notDeepEqual([...one], [...other]);
  });

  it("lets faces wait long, and their frames give their slots back, only in recordings whose pictures nobody needs", async () => {
    for (const [live, lastToSee, atLeastMs, atMostMs, leased] of [
      [false, true, 16, 250, 0],
      [false, false, 1, 15, 1],
      [true, true, 1, 15, 1],
    ] as const) {
      const test = testContext({ live, lastToSee });
      const operate = await classify.build({ model }, test.context);
      const set = mock.method(globalThis, "setTimeout");
      const subscription = concat(from([halved(test, 1, "test")]), NEVER)
        .pipe(operate)
        .subscribe();
      set.mock.restore();
      const waits = set.mock.calls.map(({ arguments: [, ms] }) => ms ?? 0);
      assert.equal(test.pool.leased, leased);
      assert.equal(waits.length, 1);
      // What is left of the wait once the face is cropped.
      for (const ms of waits) assert.ok(ms >= atLeastMs && ms <= atMostMs, String(ms));
      subscription.unsubscribe();
      await test.close();
    }
  });

  it("is refused with `precision: int8` where there are no 8 bits", () => {
    for (const options of [{ engine: "tfjs" }, { provider: "cuda" }] as const)
      assert.equal(classify.check?.({ precision: "int8", ...options })?.option, "precision");
    assert.equal(classify.check?.({ precision: "int8" }), undefined);
  });

  it("uses the 8-bit file if the model has one and the processor is known to support it", async () => {
    const providerOf = async (options: Options) => {
      const { context, close } = testContext({ slots: 1 });
      await classify.build(options, context);
      await close();
      return context.stats.engines[0]?.provider;
    };
    const known = process.arch === "x64" ? "onnx cpu, 8 bits" : "onnx cpu";
    assert.equal(await providerOf({}), known);
    assert.equal(await providerOf({ precision: "float32" }), "onnx cpu");
    assert.equal(await providerOf({ precision: "int8" }), "onnx cpu, 8 bits");
    assert.equal(await providerOf({ model }), "onnx cpu");
  });

  it("returns every lease after an error and after unsubscription, and ends its thread", async () => {
    const test = testContext({ slots: 4 });
    const operate = await classify.build({ model, batch: { size: 2 } }, test.context);
    const frames = () => from([4, 1, 2].map((sequence) => halved(test, sequence, "a")));
    const broken = concat(
      frames(),
      throwError(() => new Error("source gone")),
    );
    const released = tap(({ frame }: FaceFrame) => frame.release());
    await assert.rejects(lastValueFrom(broken.pipe(operate, released)), /source gone/);
    assert.equal(test.pool.free, 4);
    concat(frames(), NEVER).pipe(operate, released).subscribe().unsubscribe();
    assert.equal(test.pool.free, 4);
    await test.close();
    await assert.rejects(lastValueFrom(frames().pipe(operate, released)), /was closed/);
    assert.equal(test.pool.free, 4);
  });
});
