import assert from "node:assert/strict";
import { LoadMeter, Room } from "#src/worker/load.js";

const settings = { maxLoad: 0.8, maxDropped: 0.1 };
const settled = (dropped = 0) => ({ ageMs: 60_000, dropped });
const young = (dropped = 0) => ({ ageMs: 1000, dropped });

describe("room for another job", () => {
  it("exists until the allowed CPU share is used", () => {
    const room = new Room(settings, 2);
    assert.equal(room.forOneMore(0.79, [settled()]), true);
    assert.equal(room.forOneMore(0.8, [settled()]), false);
  });

  it("exists for a first job, however busy other programs keep the machine", () => {
    const room = new Room(settings, 2);
    assert.equal(room.forOneMore(1, []), true);
    assert.equal(room.forOneMore(1, [young()]), false);
  });

  it("assumes that young jobs need as much as the others each, or initially a quarter of a core", () => {
    const room = new Room(settings, 2);
    assert.equal(room.forOneMore(0.4, [young(), young(), young()]), true); // 0.4 + 3 * 0.125
    assert.equal(room.forOneMore(0.5, [young(), young(), young()]), false);
    assert.equal(room.forOneMore(0.4, [settled(), young()]), false); // 0.4 + 0.4
    assert.equal(room.forOneMore(0.4, [settled(), settled(), young()]), true); // 0.4 + 0.2
  });

  it("does not exist while a camera drops frames, however idle the machine looks", () => {
    const room = new Room(settings, 8);
    assert.equal(room.forOneMore(0.2, [settled(), settled(0.11)]), false);
    assert.equal(room.forOneMore(0.2, [settled(), young(0.5)]), true, "at its start every camera drops");
  });

  it("is not exceeded by a camera that has just begun, however long others are idle", () => {
    const room = new Room(settings, 2);
    for (const seconds of [0, 31, 62]) assert.equal(room.tooFull([young(0.5)], seconds * 1000), false);
  });

  it("is exceeded once frames were dropped for 30 s without a break, and again 30 s later", () => {
    const room = new Room(settings, 2);
    const at = (seconds: number, dropped: number) => room.tooFull([settled(dropped)], seconds * 1000);
    assert.deepEqual([at(0, 0.2), at(29, 0.2), at(29.5, 0), at(30, 0.2), at(59, 0.2)], Array(5).fill(false));
    assert.deepEqual([at(60, 0.2), at(61, 0.2), at(89, 0.2), at(90, 0.2)], [true, false, false, true]);
  });
});

describe("the load of a machine", () => {
  it("is the CPU share in use between two samples, the last one weighing half", () => {
    const looks = [
      { used: 100, whole: 1000 },
      { used: 180, whole: 1100 },
      { used: 180, whole: 1200 },
      { used: 180, whole: 1200 },
    ];
    const meter = new LoadMeter(() => looks.shift() ?? assert.fail("no more looks"));
    assert.deepEqual([meter.sample(), meter.sample(), meter.sample()], [0.4, 0.2, 0.2]);
  });

  it("is at most 1, even if more time was used than there was by the clock", () => {
    const looks = [0, 1, 2, 3].map((n) => ({ used: n * 300, whole: n * 100 }));
    const meter = new LoadMeter(() => looks.shift() ?? assert.fail("no more looks"));
    assert.deepEqual([meter.sample(), meter.sample(), meter.sample()], [0.5, 0.75, 0.875]);
  });

  it("is between 0 and 1 on this machine", () => {
    const meter = new LoadMeter();
    const load = meter.sample();
    assert(load >= 0 && load <= 1, String(load));
  });
});
