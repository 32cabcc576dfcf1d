import assert from "node:assert/strict";
import fc from "fast-check";
import type { Box } from "#src/media/frame.js";
import { FrameMemory } from "#src/media/pool.js";
import { Cropper, cropBox } from "#src/model/crop/index.js";

const input = { width: 8, height: 8, channels: 1, scale: 1, offset: 0 } as const;

function crop(luma: Uint8Array, width: number, height: number, box: Box): Float32Array {
  const out = new Float32Array(64);
  new Cropper(input).crop({ luma, width, height }, box, out, 0);
  return out;
}

const picture = fc
  .record({ width: fc.integer({ min: 1, max: 40 }), height: fc.integer({ min: 1, max: 40 }) })
  .chain(({ width, height }) =>
    fc.record({
      width: fc.constant(width),
      height: fc.constant(height),
      luma: fc.uint8Array({ minLength: width * height, maxLength: width * height }),
    }),
  );
const box = fc.record({
  x: fc.double({ min: -50, max: 50, noNaN: true }),
  y: fc.double({ min: -50, max: 50, noNaN: true }),
  width: fc.double({ min: 1, max: 80, noNaN: true }),
  height: fc.double({ min: 1, max: 80, noNaN: true }),
});

/** The same filter in plain code: each output pixel is a weighted mean of every pixel near it, edges repeated. */
function plain(luma: Uint8Array, width: number, height: number, { x, y, ...size }: Box): number[] {
  const axis = (start: number, length: number, limit: number, i: number) => {
    const step = length / 8;
    const reach = Math.max(1, step);
    const centre = start + (i + 0.5) * step;
    const taps: [number, number][] = [];
    for (let p = Math.floor(centre - reach) - 1; p <= centre + reach + 1; p++)
      taps.push([Math.min(limit - 1, Math.max(0, p)), Math.max(0, 1 - Math.abs(p + 0.5 - centre) / reach)]);
    return taps;
  };
  return Array.from({ length: 64 }, (_, i) => {
    let sum = 0;
    let total = 0;
    for (const [row, down] of axis(y, size.height, height, Math.floor(i / 8)))
      for (const [column, across] of axis(x, size.width, width, i % 8)) {
        sum += down * across * (luma[row * width + column] ?? 0);
        total += down * across;
      }
    return sum / total;
  });
}

describe("a crop", () => {
  it("consists of weighted means of the pixels around each of its own, edges repeated", () => {
    fc.assert(
      fc.property(picture, box, ({ luma, width, height }, place) => {
        const values = crop(luma, width, height, place);
        for (const [i, value] of plain(luma, width, height, place).entries()) {
          // The kernel's weights are multiples of 1/16384.
          assert.ok(Math.abs((values[i] ?? 0) - value) < 0.1, `pixel ${i}: ${values[i]} for ${value}`);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("of the model's own size is the picture itself", () => {
    const luma = Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256);
    assert.deepEqual([...crop(luma, 8, 8, { x: 0, y: 0, width: 8, height: 8 })], [...luma]);
  });

  it("is the same whatever was cropped before it", () => {
    const cropper = new Cropper(input);
    const luma = Uint8Array.from({ length: 1600 }, (_, i) => (i * 91) % 256);
    const out = new Float32Array(64);
    cropper.crop({ luma, width: 40, height: 40 }, { x: -9, y: 3, width: 60, height: 60 }, out, 0);
    const place = { x: 5.5, y: 7.25, width: 11, height: 12 };
    cropper.crop({ luma, width: 40, height: 40 }, place, out, 0);
    assert.deepEqual(out, crop(luma, 40, 40, place));
  });

  it("is the same from a picture in the cropper's memory, up to its last pixel", () => {
    const memory = new FrameMemory();
    const cropper = new Cropper(input, memory);
    fc.assert(
      fc.property(picture, box, ({ luma, width, height }, place) => {
        const region = memory.allocate(luma.length);
        const offset = region.offset + region.bytes - luma.length;
        memory.view(offset, luma.length).set(luma);
        const out = new Float32Array(64);
        cropper.crop({ luma: memory.view(offset, luma.length), offset, width, height }, place, out, 0);
        memory.free(region);
        assert.deepEqual(out, crop(luma, width, height, place));
      }),
      { numRuns: 100 },
    );
  });

  it("is scaled as the card says", () => {
    const out = new Float32Array(64);
    const scaled = new Cropper({ ...input, scale: 2 / 255, offset: -1 });
    const luma = new Uint8Array(64).fill(255);
    scaled.crop({ luma, width: 8, height: 8 }, { x: 0, y: 0, width: 8, height: 8 }, out, 0);
    for (const value of out) assert.ok(Math.abs(value - 1) < 1e-6);
  });
});

describe("the square of a face", () => {
  it("is the longer side plus the margin, centred on the box and moved down by shiftY", () => {
    const face = { x: 10, y: 20, width: 40, height: 50 };
    assert.deepEqual(cropBox(face, { margin: 0.1, shiftY: 0 }), { x: 0, y: 15, width: 60, height: 60 });
    assert.deepEqual(cropBox(face, { margin: -0.1, shiftY: 0.1 }), { x: 10, y: 30, width: 40, height: 40 });
  });
});
