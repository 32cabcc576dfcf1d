import assert from "node:assert/strict";
import { mock } from "node:test";
import { Subject } from "rxjs";
import type { Face, FaceFrame } from "#src/media/frame.js";
import { batched, type FaceBatch } from "#src/operators/batcher.js";
import { testContext } from "../support/context.js";
import { faceAt, facesOf, frameOf } from "../support/frames.js";

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

/** An engine that runs a batch when the test says so; a face's label is its index in its batch. */
class ManualBatch implements FaceBatch {
  readonly sizes: number[] = [];
  readonly #ends: ((error?: Error) => void)[] = [];

  cut(): void {}

  run(count: number): Promise<readonly Partial<Face>[]> {
    const results = Array.from({ length: count }, (_, label) => ({ label }));
    this.sizes.push(count);
    return new Promise((resolve, reject) => {
      this.#ends.push((error) => (error ? reject(error) : resolve(results)));
    });
  }

  async end(error?: Error): Promise<void> {
    this.#ends.shift()?.(error);
    await settled();
  }
}

function bench(
  slots: number,
  settings: { size: number; maxWaitMs: number; early?: boolean; heldBack?: number },
) {
  const test = testContext({ slots });
  const batch = new ManualBatch();
  const input = new Subject<FaceFrame>();
  const out: string[] = [];
  const subscription = input
    .pipe(
      batched({ ...settings, early: new Set(settings.early ? ["test"] : []) }, batch, test.context.occupancy),
    )
    .subscribe({
      next: ({ frame, faces }) => {
        out.push(`${frame.sequence}: ${faces.map(({ label }) => label ?? "-").join(" ")}`);
        frame.release();
      },
      error: (error: Error) => out.push(error.message),
      complete: () => out.push("end"),
    });
  const take = (sequence: number, faces: number, source = "test") => {
    const frame = frameOf(test.pool, sequence, { source });
    input.next(
      facesOf(
        frame,
        Array.from({ length: faces }, () => faceAt(30, 20)),
      ),
    );
  };
  return { ...test, batch, input, out, subscription, take };
}

const LONG = 60_000;

describe("batched", () => {
  it("runs a batch when it is full, and the next only after it", async () => {
    const { take, batch, out, input, pool } = bench(8, { size: 3, maxWaitMs: LONG });
    take(0, 2);
    assert.deepEqual(batch.sizes, []);
    take(1, 2);
    take(2, 3);
    assert.deepEqual(batch.sizes, [3]);
    await batch.end();
    assert.deepEqual(out, ["0: 0 1"]);
    assert.deepEqual(batch.sizes, [3, 3]);
    await batch.end();
    assert.deepEqual(out, ["0: 0 1", "1: 2 0"]);
    input.complete();
    assert.deepEqual(batch.sizes, [3, 3, 1], "it does not wait at the end");
    await batch.end();
    assert.deepEqual(out.slice(2), ["2: 1 2 0", "end"]);
    assert.equal(pool.free, 8);
  });

  it("runs a batch when every frame waits in it", async () => {
    const { take, batch, out, subscription } = bench(2, { size: 32, maxWaitMs: LONG });
    take(0, 1);
    assert.deepEqual(batch.sizes, [], "another frame may come");
    take(1, 1);
    assert.deepEqual(batch.sizes, [2]);
    await batch.end();
    assert.deepEqual(out, ["0: 0", "1: 1"]);
    subscription.unsubscribe();
  });

  it("runs a batch when every frame waits in it or is held back by a later operator", async () => {
    const { take, batch, subscription, pool } = bench(3, { size: 32, maxWaitMs: LONG, heldBack: 1 });
    const later = frameOf(pool, 0);
    take(1, 1);
    assert.deepEqual(batch.sizes, [], "another frame may come");
    take(2, 1);
    assert.deepEqual(batch.sizes, [2]);
    later.release();
    subscription.unsubscribe();
  });

  it("runs a batch when its oldest face has waited long enough", async () => {
    const { take, batch, subscription } = bench(4, { size: 32, maxWaitMs: 5 });
    take(0, 1);
    for (let i = 0; i < 1000 && batch.sizes.length === 0; i++) await new Promise((r) => setTimeout(r, 5));
    assert.deepEqual(batch.sizes, [1]);
    subscription.unsubscribe();
  });

  it("never waits longer than a timer can", () => {
    const set = mock.method(globalThis, "setTimeout");
    try {
      const { take, subscription } = bench(4, { size: 32, maxWaitMs: 2 ** 40 });
      take(0, 1);
      subscription.unsubscribe();
      assert.deepEqual(
        set.mock.calls.map(({ arguments: [, ms] }) => ms),
        [2 ** 31 - 1],
      );
    } finally {
      set.mock.restore();
    }
  });

  it("passes on a frame without faces, but not before earlier frames of its source", async () => {
    const { take, batch, out, subscription } = bench(8, { size: 1, maxWaitMs: LONG });
    take(0, 0);
    take(1, 1);
    take(2, 0);
    take(7, 0, "other");
    assert.deepEqual(out, ["0: ", "7: "]);
    await batch.end();
    assert.deepEqual(out, ["0: ", "7: ", "1: 0", "2: "]);
    subscription.unsubscribe();
  });

  it("gives slots back once faces are cropped, if nothing needs the picture any more", async () => {
    const { take, batch, out, pool, input } = bench(4, { size: 3, maxWaitMs: LONG, early: true });
    take(0, 2);
    take(1, 0);
    assert.equal(pool.free, 4, "one waits for its batch, the other for its turn");
    take(2, 2);
    assert.equal(pool.free, 4, "the batch that started left room for the second face");
    take(3, 3);
    assert.equal(pool.free, 3, "there is no room for one face yet");
    assert.deepEqual(batch.sizes, [3]);
    await batch.end();
    assert.deepEqual(out, ["0: 0 1", "1: "]);
    assert.equal(pool.free, 4);
    input.complete();
    await batch.end();
    await batch.end();
    assert.deepEqual(out.slice(2), ["2: 2 0", "3: 1 2 0", "end"]);
    assert.equal(pool.free, 4);
  });

  it("limits how many frames without faces pile up without slots", async () => {
    const { take, batch, pool, subscription } = bench(4, { size: 3, maxWaitMs: LONG, early: true });
    take(0, 1);
    for (let sequence = 1; pool.free > 0; sequence++) {
      assert.ok(sequence < 1000, "a hanging engine stops the source");
      take(sequence, 0);
    }
    assert.deepEqual(batch.sizes, [1], "the batch runs when every slot waits here");
    subscription.unsubscribe();
    assert.equal(pool.free, 4);
  });

  it("returns every frame when a batch fails", async () => {
    const { take, batch, out, pool } = bench(4, { size: 1, maxWaitMs: LONG });
    take(0, 1);
    take(1, 1);
    take(2, 0);
    await batch.end(new Error("engine gone"));
    assert.deepEqual(out, ["engine gone"]);
    assert.equal(pool.free, 4);
  });

  it("ends with an error, losing no frame, when a face cannot be cropped", () => {
    const { take, batch, out, pool } = bench(4, { size: 3, maxWaitMs: LONG });
    take(0, 1);
    batch.cut = () => {
      throw new Error("no memory");
    };
    take(1, 1);
    assert.deepEqual(out, ["no memory"]);
    assert.equal(pool.free, 4);
  });

  it("ends with that error only, even if a batch in progress then fails as well", async () => {
    const { take, batch, out, pool } = bench(2, { size: 1, maxWaitMs: LONG });
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => void unhandled.push(reason);
    const others = process.rawListeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection").on("unhandledRejection", note);
    let cuts = 0;
    batch.cut = () => {
      if (++cuts === 2) throw new Error("no memory");
    };
    take(0, 2);
    await batch.end(new Error("closed"));
    await settled();
    process.off("unhandledRejection", note);
    for (const other of others) process.on("unhandledRejection", other as (reason: unknown) => void);
    assert.deepEqual([out, unhandled, pool.free], [["no memory"], [], 2]);
  });

  it("returns every frame on unsubscription", async () => {
    const { take, batch, out, pool, subscription } = bench(4, { size: 1, maxWaitMs: LONG });
    take(0, 1);
    take(1, 1);
    subscription.unsubscribe();
    assert.equal(pool.free, 4);
    await batch.end();
    assert.deepEqual(out, []);
    assert.equal(pool.free, 4);
  });
});
