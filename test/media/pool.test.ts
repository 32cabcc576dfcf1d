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

  it("serves who waits before who comes later, even if slots are returned and wanted at the same moment", async () => {
    const pool = new FramePool(new FrameMemory(), 2);
    const { signal } = new AbortController();
    const held = [pool.tryAcquire(1), pool.tryAcquire(1)];
    const served: string[] = [];
    const wait = (name: string) =>
      void pool.acquire(1, signal).then((slot) => {
        assert.ok(slot);
        served.push(name);
      });
    wait("a");
    wait("b");
    for (const slot of held) if (slot) pool.release(slot);
    wait("c");
    wait("d");
    await new Promise(setImmediate);
    assert.deepEqual(served, ["a", "b"]);
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
    pool.release(first);
    assert.equal(pool.tryAcquire(1), undefined, "it is a's, before a runs");
    const slotOfA = await a;
    assert.deepEqual(served, ["a"]);
    assert.ok(slotOfA);
    pool.release(slotOfA);
    const slotOfB = await b;
    assert.ok(slotOfB);
    pool.release(slotOfB);
    assert.equal(pool.free, 1);
  });

  it("gives up waiting when told to", async () => {
    const pool = new FramePool(new FrameMemory(), 1);
    const slot = pool.tryAcquire(1);
    assert.ok(slot);
    const stop = new AbortController();
    const waiting = pool.acquire(1, stop.signal);
    stop.abort();
    assert.equal(await waiting, undefined);
    assert.equal(pool.starved, false);
    pool.release(slot);
    assert.equal(pool.free, 1);
  });

  it("keeps a slot until each of its leases has been returned", () => {
    const pool = new FramePool(new FrameMemory(), 1);
    const slot = pool.tryAcquire(1);
    assert.ok(slot);
    pool.retain(slot);
    pool.release(slot);
    assert.equal(pool.free, 0);
    pool.release(slot);
    assert.equal(pool.free, 1);
  });

  it("reports a lease that is returned twice, retained too late, or of another pool", () => {
    const memory = new FrameMemory();
    const [pool, other] = [new FramePool(memory, 1), new FramePool(memory, 1)];
    const [slot, foreign] = [pool.tryAcquire(1), other.tryAcquire(1)];
    assert.ok(slot && foreign);
    assert.throws(() => pool.release(foreign), { code: "LEASE", message: /belongs to another pool/ });
    pool.release(slot);
    assert.throws(() => pool.release(slot), { code: "LEASE", message: /released twice/ });
    assert.throws(() => pool.retain(slot), { code: "LEASE", message: /retained after its release/ });
    assert.equal(pool.free, 1);
  });

  it("leaves little memory unused when every picture is slightly larger than the one before", () => {
    const memory = new FrameMemory();
    const pool = new FramePool(memory, 1);
    const largest = 4 * 2 ** 20;
    for (let bytes = 2 ** 18; bytes <= largest; bytes += 2 ** 16) {
      const slot = pool.tryAcquire(bytes);
      assert.ok(slot && slot.data.length >= bytes);
      pool.release(slot);
    }
    assert.ok(memory.bytes < 6 * largest, `${memory.bytes} bytes`);
  });
});

describe("frame memory", () => {
  it("gets back the region that a slot has outgrown", () => {
    const memory = new FrameMemory();
    const pool = new FramePool(memory, 1);
    const slot = pool.tryAcquire(1);
    assert.ok(slot);
    const { offset } = slot;
    pool.release(slot);
    pool.tryAcquire(10 * 65_536);
    assert.equal(memory.allocate(1).offset, offset);
  });

  it("rounds up to whole pages, and leaves one after the last region for kernels that read past a picture", () => {
    const memory = new FrameMemory();
    const { offset, bytes } = memory.allocate(65_537);
    assert.equal(bytes, 2 * 65_536);
    assert.equal(memory.memory.buffer.byteLength, offset + bytes + 65_536);
  });

  it("reuses the smallest freed region that fits", () => {
    const memory = new FrameMemory();
    const [large, small] = [memory.allocate(3 * 65_536), memory.allocate(65_536)];
    memory.free(large);
    memory.free(small);
    assert.equal(memory.allocate(1).offset, small.offset);
    assert.equal(memory.allocate(2 * 65_536).offset, large.offset);
  });
});
