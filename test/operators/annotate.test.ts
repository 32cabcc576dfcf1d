import assert from "node:assert/strict";
import { queryObjects } from "node:v8";
import fc from "fast-check";
import { EMPTY, from, lastValueFrom, of, toArray } from "rxjs";
import { type Face, type FaceFrame, Frame, frameBytes } from "#src/media/frame.js";
import type { FramePool } from "#src/media/pool.js";
import { Font } from "#src/operators/annotate/font.js";
import { annotate } from "#src/operators/annotate/index.js";
import { layOut } from "#src/operators/annotate/layout.js";
import { paintOf } from "#src/operators/annotate/paint.js";
import { testContext } from "../support/context.js";

const GREY = 120;
const model = { name: "m", version: "1", labels: ["happy", "sad"] };

function grey(pool: FramePool, sequence: number, width: number, height: number): Frame {
  const bytes = frameBytes(width, height, "yuv420p");
  const slot = pool.tryAcquire(bytes);
  assert(slot);
  slot.data.fill(GREY, 0, bytes);
  const info = { source: "test", sequence, mediaTimeMs: sequence * 40, wallTimeMs: 0, width, height };
  return new Frame({ ...info, format: "yuv420p" }, slot, pool);
}

function happy(x: number, y: number, size: number): Face {
  const probabilities = Float32Array.of(0.75, 0.25);
  return { box: { x, y, width: size, height: size }, score: 9, track: 3, probabilities, label: 0, model };
}

async function drawn(items: FaceFrame[], context = testContext().context): Promise<FaceFrame[]> {
  const operator = await annotate.build({}, context);
  return lastValueFrom(from(items).pipe(operator, toArray()));
}

describe("annotate", () => {
  it("draws the box in the label's colour, in the right place, on the frame itself", async () => {
    const { pool } = testContext({ slots: 1 });
    const frame = grey(pool, 0, 320, 240);
    const [item] = await drawn([{ frame, faces: [happy(100, 100, 80)], fullScan: true }]);
    assert.equal(item?.frame, frame);
    const { y, u, v } = paintOf("#E69F00", { range: "tv" }, 240);
    const chroma = frame.pixels.subarray(320 * 240);
    assert.equal(frame.luma[140 * 320 + 100], y); // left edge
    assert.equal(chroma[70 * 160 + 50], u);
    assert.equal(chroma[160 * 120 + 70 * 160 + 50], v);
    assert.equal(frame.luma[140 * 320 + 140], GREY); // inside
    assert.equal(frame.luma[220 * 320 + 20], GREY); // far away
    frame.release();
    assert.equal(pool.free, 1);
  });

  it("writes bright text on a dark plate above the box", async () => {
    const { pool } = testContext({ slots: 1 });
    const frame = grey(pool, 0, 640, 480);
    await drawn([{ frame, faces: [happy(200, 200, 120)], fullScan: true }]);
    const plate: number[] = [];
    for (let row = 160; row < 190; row++)
      plate.push(...frame.luma.subarray(row * 640 + 200, row * 640 + 290));
    assert(
      plate.some((luma) => luma > 220),
      "no bright pixels",
    );
    assert(plate.filter((luma) => luma < 60).length > plate.length / 4, "no dark plate");
    frame.release();
  });

  it("draws no box across the text of another face", async () => {
    const { pool } = testContext({ slots: 2 });
    const [alone, crossed] = [grey(pool, 0, 640, 480), grey(pool, 1, 640, 480)];
    const face = happy(200, 200, 120);
    await drawn([
      { frame: alone, faces: [face], fullScan: true },
      { frame: crossed, faces: [face, happy(230, 90, 300)], fullScan: true },
    ]);
    const white = paintOf("#FFFFFF", { range: "tv" }, 480).y;
    const text = [...alone.luma.keys()].filter((at) => alone.luma[at] === white);
    assert(text.length > 50);
    assert.deepEqual(
      text.filter((at) => crossed.luma[at] !== white),
      [],
    );
  });

  it("draws on a copy while another branch holds the frame, and returns every lease", async () => {
    const { pool } = testContext({ slots: 2 });
    const items = [0, 1].map((n) => {
      const frame = grey(pool, n, 320, 240);
      frame.retain(); // for the other branch
      return { frame, faces: [happy(100, 100, 80)], fullScan: true };
    });
    const results = await drawn(items);
    for (const [i, { frame }] of results.entries()) {
      const original = items[i]?.frame;
      assert(original && frame !== original);
      assert.equal(frame.sequence, i);
      assert(
        original.pixels.every((value) => value === GREY),
        "the other branch must not see what was drawn",
      );
      assert(frame.pixels.some((value) => value !== GREY));
      frame.release();
      original.release();
    }
    assert.equal(pool.free, 2);
  });

  it("keeps no more fonts than sizes of text, however many sizes the pictures have", async () => {
    const { pool, context } = testContext({ slots: 1 });
    const operator = await annotate.build({}, context);
    const before = queryObjects(Font, { format: "count" });
    for (let side = 400; side < 500; side += 2) {
      const frame = grey(pool, 0, side, side);
      const item = { frame, faces: [happy(100, 100, 80)], fullScan: true };
      await lastValueFrom(of(item).pipe(operator));
      frame.release();
    }
    const fonts = queryObjects(Font, { format: "count" }) - before;
    await lastValueFrom(EMPTY.pipe(operator), { defaultValue: undefined }); // it is still in use
    assert.ok(fonts >= 1 && fonts <= 3, `${fonts} fonts`); // 10 to 12 pixels
  });

  it("stays within the picture wherever a box is, even at odd sizes", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          width: fc.integer({ min: 33, max: 97 }),
          height: fc.integer({ min: 33, max: 97 }),
          x: fc.integer({ min: -40, max: 100 }),
          y: fc.integer({ min: -40, max: 100 }),
          size: fc.integer({ min: 4, max: 120 }),
        }),
        async ({ width, height, x, y, size }) => {
          const { pool } = testContext({ slots: 1 });
          const frame = grey(pool, 0, width, height);
          const bytes = frame.pixels.length;
          frame.slot.data.fill(7, bytes, bytes + 4096);
          await drawn([{ frame, faces: [happy(x, y, size)], fullScan: true }]);
          assert(frame.slot.data.subarray(bytes, bytes + 4096).every((value) => value === 7));
        },
      ),
      { numRuns: 100 },
    );
  });

  it("puts no plate over another or outside the picture while there is room", () => {
    const picture = { width: 400, height: 300 };
    const size = { width: 100, height: 20 };
    const first = layOut({ x: 100, y: 100, width: 60, height: 60 }, size, 2, picture, []);
    assert.deepEqual(first, { x: 100, y: 78, width: 100, height: 20 });
    const second = layOut({ x: 110, y: 100, width: 60, height: 60 }, size, 2, picture, [first]);
    assert.equal(second.y, 162); // below
    const top = layOut({ x: 380, y: 4, width: 60, height: 60 }, size, 2, picture, []);
    assert.deepEqual([top.x, top.y], [300, 66]);
  });
});

describe("paint", () => {
  it("is BT.601 or BT.709, in limited or full range, like the recording", () => {
    // ITU-R BT.601 and BT.709 values for pure red.
    assert.deepEqual(paintOf("#FF0000", { range: "tv", matrix: 6 }, 480), { y: 81, u: 90, v: 240 });
    assert.deepEqual(paintOf("#FF0000", { range: "tv", matrix: 1 }, 480), { y: 63, u: 102, v: 240 });
    assert.deepEqual(paintOf("#FF0000", { range: "pc", matrix: 6 }, 480), { y: 76, u: 85, v: 255 });
    assert.equal(paintOf("#FFFFFF", { range: "tv", matrix: 9, transfer: 16 }, 2160).y, 143); // 203 nits of PQ
  });
});
