import assert from "node:assert/strict";
import { FrameMemory, FramePool } from "#src/media/pool.js";

describe("a frame pool", () => {
  it("keeps a slot for which there was no memory", () => {
    const memory = new FrameMemory();
    const pool = new FramePool(memory, 2);
    for (let i = 0; i < 3; i++) {
      assert.throws(() => pool.tryAcquire(5 * 2 ** 30), { code: "FRAME_MEMORY" });
      assert.equal(pool.free, 2);
    }
    const slot = pool.tryAcquire(1000);
    assert.ok(slot && slot.data.length >= 1000);
    pool.release(slot);
    assert.equal(pool.free, 2);
  });

  it("serves the one who waited longest, even if others come in between", async () => {
    const pool = new FramePool(new FrameMemory(), 1);
    const { signal } = new AbortController();
    const served: string[] = [];
    const first = pool.tryAcquire(1);
    assert.ok(first);
    const wait = (name: string) =>
      pool.acquire(1, signal).then((slot) => {
        served.push(name);
        return slot;
      });
    const [a, b] = [wait("a"), wait("b")];
    pool.release(first); // wakes a, but before it runs
    const overtaking = pool.tryAcquire(1);
    assert.ok(overtaking);
    await new Promise(setImmediate);
    pool.release(overtaking);
    const slotOfA = await a;
    assert.deepEqual(served, ["a"]);
    assert.ok(slotOfA);
    pool.release(slotOfA);
    const slotOfB = await b;
    assert.ok(slotOfB);
    pool.release(slotOfB);
    assert.equal(pool.free, 1);
  });
});
