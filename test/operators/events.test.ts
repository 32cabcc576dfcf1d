import assert from "node:assert/strict";
import { mock } from "node:test";
import { concat, firstValueFrom, from, lastValueFrom, map, NEVER, throwError, toArray } from "rxjs";
import { TestScheduler } from "rxjs/testing";
import Schema from "typebox/schema";
import { EmotionEvent } from "#src/events/event.js";
import type { FaceFrame } from "#src/media/frame.js";
import { events } from "#src/operators/events.js";
import { type TestContext, testContext } from "../support/context.js";
import { faceAt, facesOf, frameOf } from "../support/frames.js";

const model = { name: "m", version: "1", labels: ["sad", "happy"] };

/** One frame per letter, 100 ms apart: `s` sad, `h` happy, `.` no face. */
function seen({ pool }: TestContext, letters: string): FaceFrame[] {
  return [...letters].map((letter, i) => {
    const label = letter === "h" ? 1 : 0;
    const probabilities = Float32Array.from([1 - label, label]);
    const face = faceAt(32, 24, 20, { track: 1, label, probabilities, model });
    return facesOf(frameOf(pool, i, { mediaTimeMs: i * 100 }), letter === "." ? [] : [face]);
  });
}

async function eventsOf(letters: string, options: Parameters<typeof events.build>[0] = {}) {
  const test = testContext({ slots: letters.length });
  const operate = await events.build(options, test.context);
  const out = await lastValueFrom(from(seen(test, letters)).pipe(operate, toArray()));
  assert.equal(test.pool.free, test.pool.slots, "every frame was returned");
  assert.equal(test.context.stats.events, out.length);
  const timed = test.context.stats.eventDelayMs.counts.reduce((sum, count) => sum + count, 0);
  assert.equal(timed, out.filter(({ data }) => data.kind !== "left").length);
  return out;
}

const brief = ({ data }: EmotionEvent) => `${data.kind} ${data.label} ${data.mediaTimeMs}`;

describe("events", () => {
  it("report when a face appears, changes and leaves", async () => {
    const out = await eventsOf("sshh.....", { leftAfter: 300 });
    assert.deepEqual(out.map(brief), ["appeared sad 0", "changed happy 200", "left happy 300"]);
    assert.deepEqual(
      out.map(({ data }) => data.sinceMs),
      [0, 200, 200],
    );
  });

  it("do not report that a face has left which is in every frame, however rare frames are", async () => {
    const out = await eventsOf("ss.s", { leftAfter: 0 });
    assert.deepEqual(out.map(brief), ["appeared sad 0", "left sad 100", "appeared sad 300", "left sad 300"]);
  });

  it("take label, probabilities and beginning from `smooth` where it is used", async () => {
    const test = testContext();
    const smoothed = Float32Array.from([0.25, 0.75]);
    const probabilities = Float32Array.from([1, 0]);
    const face = faceAt(32, 24, 20, { track: 1, label: 1, labelSinceMs: 40, smoothed, probabilities, model });
    const items = from([facesOf(frameOf(test.pool, 5), [face])]);
    const { data } = await firstValueFrom(items.pipe(await events.build({ raw: true }, test.context)));
    assert.deepEqual(
      [data.label, data.confidence, data.probabilities, data.raw, data.sinceMs],
      ["happy", 0.75, { sad: 0.25, happy: 0.75 }, { sad: 1, happy: 0 }, 40],
    );
  });

  it("have the camera's own time, and a recording's as if it had begun with the run", async () => {
    for (const [live, time] of [
      [true, "2026-01-02T00:00:00.000Z"],
      [false, "2026-01-01T00:00:00.000Z"],
    ] as const) {
      const test = testContext({ live });
      const operate = await events.build({}, test.context);
      assert.equal((await firstValueFrom(from(seen(test, "s")).pipe(operate))).time, time);
    }
  });

  it("have other ids for another recording, pipeline or operator", async () => {
    const ids = new Set<string>();
    for (const change of [{}, { identity: "b.mp4 7 bytes" }, { pipeline: { name: "other" } }, { id: "e2" }]) {
      const test = testContext();
      if ("identity" in change) test.context.source.identity = change.identity ?? "";
      const operate = await events.build({}, { ...test.context, ...change });
      for (const { id } of await lastValueFrom(from(seen(test, "sh")).pipe(operate, toArray()))) ids.add(id);
    }
    assert.equal(ids.size, 4 * 3);
  });

  it("carry the pipeline's name, escaped in the address, its purpose and its retention", async () => {
    const { context, ...test } = testContext({ id: "front door" });
    const pipeline = { name: "lobby/1", purpose: "a study", retention: "30d" };
    const operate = await events.build({}, { ...context, pipeline });
    const items = seen({ context, ...test }, "s").map(({ frame, faces }) => {
      frame.release();
      return facesOf(frameOf(test.pool, 0, { source: "front door" }), faces);
    });
    const { source, subject, data } = await firstValueFrom(from(items).pipe(operate));
    assert.equal(source, "/pipelines/lobby%2F1/sources/front%20door");
    assert.equal(subject, "front door/1");
    assert.deepEqual([data.pipeline, data.purpose, data.retention], ["lobby/1", "a study", "30d"]);
  });

  it("keep faces of different sources apart, though their numbers are the same", async () => {
    const test = testContext({ slots: 2 });
    const face = faceAt(32, 24, 20, { track: 1, label: 0, probabilities: Float32Array.from([1, 0]), model });
    const items = ["door", "hall"].map((source, i) => facesOf(frameOf(test.pool, i, { source }), [face]));
    const operate = await events.build({}, test.context);
    const out = await lastValueFrom(from(items).pipe(operate, toArray()));
    assert.deepEqual(
      out.map(({ data }) => `${data.camera} ${data.kind}`),
      ["door appeared", "hall appeared", "door left", "hall left"],
    );
  });

  it("report at the end of the source that a face has left", async () => {
    assert.deepEqual((await eventsOf("s")).map(brief), ["appeared sad 0", "left sad 0"]);
  });

  for (const [what, state, live] of [
    ["a source that has ended while others continue", "ended", false],
    ["a camera that is away", "reconnecting", true],
  ] as const)
    it(`report it for ${what}`, async () => {
      mock.timers.enable({ apis: ["setInterval"] });
      let nowMs = 0;
      const clock = mock.method(performance, "now", () => nowMs);
      const pass = (ms: number) => {
        nowMs += ms;
        mock.timers.tick(ms);
      };
      try {
        const test = testContext({ slots: 4, live });
        const out: string[] = [];
        const operate = await events.build({ leftAfter: 65_000 }, test.context);
        const subscription = concat(from(seen(test, "ss")), NEVER)
          .pipe(operate)
          .subscribe((event) => out.push(brief(event)));
        pass(60_000);
        assert.deepEqual(out, ["appeared sad 0"], "it may still continue");
        test.context.source.state = state;
        pass(1000);
        if (live) {
          assert.deepEqual(out, ["appeared sad 0"], "it may come back in time");
          pass(5000);
        }
        assert.deepEqual(out, ["appeared sad 0", "left sad 100"]);
        subscription.unsubscribe();
      } finally {
        clock.mock.restore();
        mock.timers.reset();
      }
    });

  it("include samples at the interval", async () => {
    const out = await eventsOf("ssssh", { on: "sample", interval: 200 });
    assert.deepEqual(out.map(brief), ["sample sad 0", "sample sad 200", "sample happy 400"]);
  });

  it("include both", async () => {
    const kinds = (await eventsOf("sh", { on: "both", interval: 1000 })).map(({ data }) => data.kind);
    assert.deepEqual(kinds, ["appeared", "sample", "changed", "left"]);
  });

  it("are CloudEvents that match their schema, with ids that a replay repeats", async () => {
    const schema = Schema.Compile(EmotionEvent);
    const first = await eventsOf("sshhs.s", { on: "both", raw: true });
    for (const event of first) assert.ok(schema.Check(event), JSON.stringify(schema.Errors(event)));
    assert.deepEqual(await eventsOf("sshhs.s", { on: "both", raw: true }), first);
    assert.equal(new Set(first.map(({ id }) => id)).size, first.length);
    assert.equal(first[0]?.time, "2026-01-01T00:00:00.000Z");
    assert.deepEqual(first[0]?.data.relativeBox, { x: 0.3438, y: 0.2917, width: 0.3125, height: 0.4167 });
    assert.deepEqual(first[0]?.data.raw, { sad: 1, happy: 0 });
  });

  it("are sent at the moment of their frame", () => {
    const test = testContext();
    const operate = events.build({}, test.context);
    assert.ok(typeof operate === "function");
    const [a, b, c] = seen(test, "ssh");
    assert.ok(a && b && c);
    new TestScheduler(assert.deepEqual).run(({ cold, expectObservable }) => {
      const out = cold("a-b-c", { a, b, c }).pipe(
        operate,
        map(({ data }) => data.kind),
      );
      expectObservable(out).toBe("a---c", { a: "appeared", c: "changed" });
    });
  });

  it("return the frames after an error and after unsubscription", async () => {
    const test = testContext({ slots: 2 });
    const operate = await events.build({}, test.context);
    const failing = concat(
      from(seen(test, "ss")),
      throwError(() => new Error("source gone")),
    );
    await assert.rejects(lastValueFrom(failing.pipe(operate)), /source gone/);
    assert.equal(test.pool.free, 2);
    concat(from(seen(test, "ss")), NEVER)
      .pipe(operate)
      .subscribe()
      .unsubscribe();
    assert.equal(test.pool.free, 2);
  });

  for (const [what, face, wanted] of [
    ["no track", faceAt(9, 9), /put a `track` operator before it/],
    ["no expression", faceAt(9, 9, 8, { track: 1 }), /put a `classify` operator before it/],
  ] as const)
    it(`name the missing operator if faces have ${what}`, async () => {
      const test = testContext();
      const operate = await events.build({}, test.context);
      const items = from([facesOf(frameOf(test.pool, 0), [face])]);
      await assert.rejects(lastValueFrom(items.pipe(operate)), wanted);
      assert.equal(test.pool.free, test.pool.slots);
    });
});
