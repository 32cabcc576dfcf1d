import assert from "node:assert/strict";
import fc from "fast-check";
import { cameraClock, recordingClock } from "#src/media/clock.js";

describe("a recording's clock", () => {
  const times = (pts: readonly number[]) => pts.map(recordingClock());

  it("gives the container's own times, whatever their spacing and start", () => {
    const steps = fc.array(fc.integer({ min: 0, max: 100_000 }), { maxLength: 50 });
    fc.assert(
      fc.property(fc.integer({ min: -1000, max: 100_000 }), steps, (begin, gaps) => {
        let at = begin;
        const pts = [begin, ...gaps.map((gap) => (at += gap))];
        assert.deepEqual(times(pts), pts);
      }),
    );
  });

  it("continues at its pace at each joint of joined recordings", () => {
    assert.deepEqual(
      times([1400, 1440, 1480, 1400, 1440, 0, 40]),
      [1400, 1440, 1480, 1520, 1560, 1600, 1640],
    );
  });

  it("waits out a small step back by a careless muxer", () => {
    assert.deepEqual(times([0, 40, 80, 60, 120]), [0, 40, 80, 80, 120]);
    assert.deepEqual(times([0, 40, 80, 80, 70, 120]), [0, 40, 80, 80, 80, 120], "also after equal times");
  });
});

describe("a camera's clock", () => {
  it("counts from the camera's first frame, including gaps between sessions, and never goes back", () => {
    let now = 0;
    let latest = 0;
    const told = (clock: (ptsMs: number) => number, ptsMs: number) => {
      latest = clock(ptsMs);
      return latest;
    };
    const first = cameraClock(
      () => now,
      () => latest,
    );
    assert.equal(told(first, 90_000), 0);
    now = 35;
    assert.equal(told(first, 90_040), 40);
    now = 10_000;
    const second = cameraClock(
      () => now,
      () => latest,
    );
    assert.equal(told(second, 0), 10_000);
    now = 10_030;
    assert.equal(told(second, 40), 10_040);
    assert.equal(told(second, 20), 10_040);
  });

  it("never jumps and never drifts away, however long a camera's clock is fast or slow", () => {
    for (const rate of [1 - 2e-4, 1 + 2e-4]) {
      let now = 0;
      let latest = 0;
      const clock = cameraClock(
        () => now,
        () => latest,
      );
      const stepMs = 200;
      for (let i = 0; i < 600_000; i++, now += stepMs) {
        const timeMs = clock(i * stepMs * rate);
        if (i > 0) assert.ok(Math.abs(timeMs - latest - stepMs) < 0.3, `a step of ${timeMs - latest} ms`);
        latest = timeMs;
      }
      assert.ok(Math.abs(latest - now) < 1000, `${latest - now} ms after 33 hours`);
    }
  });

  it("follows a camera's times up to 5 s from our own clock, and from there on continues where it was", () => {
    let latest = 0;
    const clock = cameraClock(
      () => 0,
      () => latest,
    );
    for (const [ptsMs, timeMs] of [
      [100, 0],
      [600, 500],
      [5100, 4995.5], // a little slower from half a second on
      [10_102, 4995.5],
      [10_142, 4995.5],
    ] as const) {
      latest = clock(ptsMs);
      assert.equal(latest, timeMs);
    }
  });

  it("is not affected by a camera that resets its own clock", () => {
    let now = 0;
    const clock = cameraClock(
      () => now,
      () => 0,
    );
    clock(1000);
    now = 40;
    assert.equal(clock(3_600_000), 40);
    now = 80;
    assert.equal(clock(3_600_040), 80);
    now = 120;
    assert.equal(clock(5), 120);
    now = 4160;
    assert.equal(clock(4045), 4160);
    now = 4200;
    assert.equal(clock(1085), 4200, "by three seconds");
    now = 4240;
    assert.equal(clock(1125), 4240);
  });
});
