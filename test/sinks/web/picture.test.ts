import assert from "node:assert/strict";
import sharp from "sharp";
import { Frame, frameBytes, type PixelFormat } from "#src/media/frame.js";
import { encode, shrink } from "#src/sinks/web/picture.js";
import { testContext } from "../../support/context.js";

/** A frame with planes filled by `at(x, y)`, which returns Y, U and V. */
function frameOf(
  width: number,
  height: number,
  format: PixelFormat,
  at: (x: number, y: number) => number[],
): Frame {
  const { pool } = testContext();
  const slot = pool.tryAcquire(frameBytes(width, height, format));
  assert(slot);
  const half = Math.ceil(width / 2);
  const u = width * height;
  const v = u + half * Math.ceil(height / 2);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [luma = 0, cb = 128, cr = 128] = at(x, y);
      slot.data[y * width + x] = luma;
      if (format === "gray") continue;
      slot.data[u + (y >> 1) * half + (x >> 1)] = cb;
      slot.data[v + (y >> 1) * half + (x >> 1)] = cr;
    }
  const info = { source: "a", sequence: 0, mediaTimeMs: 0, wallTimeMs: 0, width, height, format };
  return new Frame(info, slot, pool);
}

describe("the page's pictures", () => {
  it("are scaled down by an integer to fit, including portrait and odd sizes", () => {
    for (const [width, height, side, wanted] of [
      [1920, 1080, 960, [960, 540]],
      [1080, 1920, 960, [540, 960]],
      [640, 480, 960, [640, 480]],
      [961, 541, 960, [480, 270]],
      [401, 301, 401, [401, 301]],
    ] as const) {
      const small = shrink(
        frameOf(width, height, "yuv420p", () => [90]),
        side,
      );
      assert.deepEqual([small.width, small.height], wanted);
      assert.equal(small.rgb.length, small.width * small.height * 3);
    }
  });

  it("reuse a buffer only if it is large enough, since a camera's size may change", () => {
    const frame = frameOf(8, 8, "gray", () => [90]);
    const large = new Uint8Array(8 * 8 * 3);
    assert.equal(shrink(frame, 64, large).rgb, large);
    assert.equal(shrink(frame, 64, new Uint8Array(8)).rgb.length, large.length);
  });

  it("have the colours of BT.601", () => {
    for (const [yuv, rgb] of [
      [
        [16, 128, 128],
        [0, 0, 0],
      ],
      [
        [235, 128, 128],
        [255, 255, 255],
      ],
      [
        [81, 90, 240],
        [255, 0, 0],
      ],
      [
        [145, 54, 34],
        [0, 255, 0],
      ],
      [
        [41, 240, 110],
        [0, 0, 255],
      ],
    ] as const) {
      const small = shrink(
        frameOf(8, 8, "yuv420p", () => [...yuv]),
        4,
      );
      for (const [i, value] of small.rgb.entries())
        assert(Math.abs(value - (rgb[i % 3] ?? 0)) <= 2, `${yuv}: ${small.rgb.slice(0, 3)}`);
    }
  });

  it("have the colours of BT.709 where it is said, or the picture is in high definition", () => {
    for (const [yuv, rgb] of [
      [
        [63, 102, 240],
        [255, 0, 0],
      ],
      [
        [173, 42, 26],
        [0, 255, 0],
      ],
      [
        [32, 240, 118],
        [0, 0, 255],
      ],
    ] as const)
      for (const [height, matrix] of [
        [8, 1],
        [720, undefined],
      ] as const) {
        const frame = frameOf(8, height, "yuv420p", () => [...yuv]);
        const small = shrink(frame, 720, undefined, "tv", matrix);
        for (const [i, value] of small.rgb.entries())
          assert(Math.abs(value - (rgb[i % 3] ?? 0)) <= 2, `${yuv}: ${small.rgb.slice(0, 3)}`);
      }
  });

  it("map full-range samples to black and white", () => {
    for (const [luma, value] of [
      [0, 0],
      [16, 16],
      [240, 240],
      [255, 255],
    ] as const) {
      const frame = frameOf(8, 8, "yuv420p", () => [luma, 128, 128]);
      assert.deepEqual([...new Set(shrink(frame, 4, undefined, "pc").rgb)], [value]);
    }
  });

  it("average the pixels they merge, each from its own place", () => {
    const checks = shrink(
      frameOf(16, 8, "gray", (x, y) => [(x + y) % 2 ? 16 : 235]),
      8,
    );
    assert(
      checks.rgb.every((value) => Math.abs(value - 127) <= 2),
      String(checks.rgb.slice(0, 6)),
    );
    const halves = shrink(
      frameOf(16, 8, "yuv420p", (x) => (x < 8 ? [81, 90, 240] : [41, 240, 110])),
      8,
    );
    for (let pixel = 0; pixel < 32; pixel++) {
      const [red = 0, , blue = 0] = halves.rgb.slice(pixel * 3, pixel * 3 + 3);
      assert(pixel % 8 < 4 ? red > 250 && blue < 5 : red < 5 && blue > 250, `pixel ${pixel}`);
    }
  });

  it("reuse a buffer, and are encoded as JPEG", async () => {
    const into = new Uint8Array(10_000);
    const small = shrink(
      frameOf(32, 24, "yuv420p", (x) => [16 + 6 * x, 100, 150]),
      16,
      into,
    );
    assert.equal(small.rgb, into);
    const jpeg = await encode(small, 80);
    const { data, info } = await sharp(jpeg).raw().toBuffer({ resolveWithObject: true });
    assert.deepEqual([info.width, info.height, info.channels], [16, 12, 3]);
    for (let i = 0; i < data.length; i++) assert(Math.abs((data[i] ?? 0) - (into[i] ?? 0)) < 30);
  });
});
