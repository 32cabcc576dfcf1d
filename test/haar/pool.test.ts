import assert from "node:assert/strict";
import { syncBuiltinESMExports } from "node:module";
import { fileURLToPath } from "node:url";
import threads from "node:worker_threads";
import { HaarPool, ImageDetector, loadCascade, type Plane, readyCascade } from "#src/haar/index.js";
import { scalesOf } from "#src/haar/scales.js";
import { FrameMemory } from "#src/media/pool.js";
import { picture } from "../support/pictures.js";

const CASCADE = fileURLToPath(
  new URL("../../models/haarcascades/haarcascade_frontalface_default.xml", import.meta.url),
);
const [width, height] = [480, 360];
const OPTIONS = { minSize: { width: 30, height: 30 } };

describe("the detector's workers", function () {
  this.timeout(60_000);
  let grays: Uint8Array[];

  before(async () => {
    grays = await Promise.all([2, 10, 20].map((at) => picture(at, width, height, 2)));
  });

  async function open(workers: number) {
    const memory = new FrameMemory();
    const planes = grays.map((gray): Plane => {
      const { offset } = memory.allocate(gray.length);
      memory.view(offset, gray.length).set(gray);
      return { offset, width, height, stride: width };
    });
    return { pool: await HaarPool.create(await readyCascade(CASCADE), memory, workers), planes };
  }

  it("require a scale factor above 1", () => {
    for (const scaleFactor of [1, 0.5, Number.NaN])
      assert.throws(() => scalesOf({ width: 24, height: 24 }, { width: 100, height: 100 }, { scaleFactor }), {
        name: "RangeError",
        message: `scaleFactor is ${scaleFactor}; it must be above 1`,
      });
  });

  it("find the same boxes, in the same order, however many share a picture", async () => {
    const alone = await ImageDetector.create(await loadCascade(CASCADE));
    const expected = grays.map((gray) => alone.detect(gray, width, height, OPTIONS));
    assert.ok(expected.every((boxes) => boxes.length >= 4));
    for (const workers of [1, 3]) {
      const { pool, planes } = await open(workers);
      // One at a time, all workers share a picture; all at once, some have one of their own.
      for (const [i, plane] of planes.entries())
        assert.deepEqual(await pool.detect(plane, OPTIONS), expected[i], `${workers} workers`);
      const together = await Promise.all([...planes, ...planes].map((plane) => pool.detect(plane, OPTIONS)));
      assert.deepEqual(together, [...expected, ...expected], `${workers} workers`);
      await pool.close();
    }
  });

  it("accept pictures of any size one after another", async () => {
    const { pool, planes } = await open(2);
    const part = (plane: Plane, side: number): Plane => ({ ...plane, width: side, height: side });
    const [plane] = planes;
    assert.ok(plane);
    assert.deepEqual(await pool.detect(part(plane, 10)), []);
    const all = await pool.detect(plane, OPTIONS);
    await Promise.all([40, 200, 90].map((side) => pool.detect(part(plane, side))));
    assert.deepEqual(await pool.detect(plane, OPTIONS), all);
    await pool.close();
  });

  it("need no room for a picture as wide as the widest and as tall as the tallest", async () => {
    const memory = new FrameMemory();
    const { offset } = memory.allocate(8000 * 64);
    const [gray] = grays;
    assert.ok(gray);
    const face = memory.allocate(gray.length);
    memory.view(face.offset, gray.length).set(gray);
    const pool = await HaarPool.create(await readyCascade(CASCADE), memory, 2);
    const wide: Plane = { offset, width: 8000, height: 64, stride: 8000 };
    const tall: Plane = { offset, width: 64, height: 8000, stride: 64 };
    const plane: Plane = { offset: face.offset, width, height, stride: width };
    const expected = await pool.detect(plane, OPTIONS);
    for (const other of [wide, tall, wide]) {
      await pool.detect(other);
      assert.deepEqual(await pool.detect(plane, OPTIONS), expected);
    }
    await pool.close();
    assert.ok(memory.bytes < 32 * 2 ** 20, `${memory.bytes} bytes`);
  });

  it("end, and say how many there could be, if the system refuses another thread", async () => {
    const { Worker } = threads;
    let running = 0;
    threads.Worker = class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        if (running === 2) throw new Error("EAGAIN");
        super(...args);
        running++;
        this.once("exit", () => running--);
      }
    };
    syncBuiltinESMExports();
    try {
      await assert.rejects(open(4), {
        name: "OperatorError",
        message: /^detect: only 2 of 4 threads could be started \(EAGAIN\); set fewer `workers`/,
      });
    } finally {
      threads.Worker = Worker;
      syncBuiltinESMExports();
    }
    assert.equal(running, 0);
  });

  it("reject tasks in progress and later ones once they are closed", async () => {
    const { pool, planes } = await open(2);
    const [plane] = planes;
    assert.ok(plane);
    const running = assert.rejects(pool.detect(plane), /the detector was closed/);
    await pool.close();
    await running;
    await assert.rejects(pool.detect(plane), /the detector was closed/);
  });
});
