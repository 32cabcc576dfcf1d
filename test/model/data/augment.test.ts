import assert from "node:assert/strict";
import fc from "fast-check";
import { Default } from "typebox/value";
import { Augmenter, AugmentOptions } from "#src/model/data/augment.js";
import { Random } from "#src/model/data/random.js";

const PLAIN = { scale: 1, offset: 0 };

/** Random numbers that are given beforehand, then those of the seed. */
class Scripted extends Random {
  script: number[] | undefined;
  override next(): number {
    return this.script?.shift() ?? super.next();
  }
}

/** What `Augmenter` draws first: mirror, angle, zoom, x, y; each 0 to 1. */
interface Draws {
  readonly mirror?: number;
  readonly angle?: number;
  readonly zoom?: number;
  readonly x?: number;
  readonly y?: number;
}

const options = (changes: Partial<AugmentOptions>) =>
  Default(AugmentOptions, { ...changes }) as AugmentOptions;

function varied(
  pixels: Uint8Array,
  width: number,
  changes: Partial<AugmentOptions>,
  { mirror = 0.99, angle = 0.5, zoom = 0.5, x = 0.5, y = 0.5 }: Draws,
): Float32Array {
  const random = new Scripted(1);
  random.script = [mirror, angle, zoom, x, y];
  const height = pixels.length / width;
  const out = new Float32Array(pixels.length);
  new Augmenter(options(changes), width, height, PLAIN).apply(pixels, random, out);
  return out;
}

/**
 * The same, implemented separately: matrices of mirror, rotation, zoom and shift about the centre are multiplied and
 * inverted, and each pixel is interpolated from its four neighbours in double precision.
 */
function plainWarp(
  pixels: Uint8Array,
  width: number,
  { rotation, shift, zoom: [small = 1, large = 1], flip }: AugmentOptions,
  draws: Required<Draws>,
): number[] {
  const height = pixels.length / width;
  const angle = ((draws.angle * 2 - 1) * rotation * Math.PI) / 180;
  const size = Math.exp(Math.log(small) + (Math.log(large) - Math.log(small)) * draws.zoom);
  const sign = draws.mirror < flip ? -1 : 1;
  // Forward: p' = size * rotation * mirror * p + shift, about the centre.
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const m = [size * cos * sign, -size * sin, size * sin * sign, size * cos];
  const [a = 0, b = 0, c = 0, d = 0] = m;
  const determinant = a * d - b * c;
  const [midX, midY] = [(width - 1) / 2, (height - 1) / 2];
  const at = (column: number, row: number) =>
    pixels[Math.max(0, Math.min(height - 1, row)) * width + Math.max(0, Math.min(width - 1, column))] ??
    Number.NaN;
  return Array.from({ length: pixels.length }, (_, i) => {
    const dx = (i % width) - midX - (draws.x * 2 - 1) * shift;
    const dy = Math.floor(i / width) - midY - (draws.y * 2 - 1) * shift;
    const u = Math.max(0, Math.min(width - 1, midX + (d * dx - b * dy) / determinant));
    const v = Math.max(0, Math.min(height - 1, midY + (a * dy - c * dx) / determinant));
    let value = 0;
    for (const row of [Math.floor(v), Math.floor(v) + 1])
      for (const column of [Math.floor(u), Math.floor(u) + 1])
        value += (1 - Math.abs(u - column)) * (1 - Math.abs(v - row)) * at(column, row);
    return value;
  });
}

const grid = (width: number, height: number) =>
  Uint8Array.from({ length: width * height }, (_, i) => (i * 37 + (i % width) * 11) % 256);

describe("augmentation", () => {
  it("leaves pictures alone without options", () => {
    const pixels = grid(6, 5);
    assert.deepEqual([...varied(pixels, 6, {}, {})], [...pixels]);
  });

  it("mirrors exactly", () => {
    const pixels = grid(5, 3);
    const rows = [0, 1, 2].flatMap((y) => [...pixels.subarray(y * 5, y * 5 + 5)].reverse());
    assert.deepEqual([...varied(pixels, 5, { flip: 0.5 }, { mirror: 0.1 })], rows);
    assert.deepEqual([...varied(pixels, 5, { flip: 0.5 }, { mirror: 0.6 })], [...pixels]);
  });

  it("shifts to the right and down, repeating the edge", () => {
    const pixels = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9);
    const moved = varied(pixels, 3, { shift: 1 }, { x: 1, y: 1 });
    assert.deepEqual([...moved], [1, 1, 2, 1, 1, 2, 4, 4, 5]);
  });

  it("rotates by a right angle", () => {
    const pixels = grid(4, 4);
    const turned = varied(pixels, 4, { rotation: 90 }, { angle: 1 });
    for (let y = 0; y < 4; y++)
      for (let x = 0; x < 4; x++)
        // Clockwise on the screen: what was at the bottom left moves to the top left.
        assert.ok(Math.abs((turned[y * 4 + x] ?? 0) - (pixels[(3 - x) * 4 + y] ?? 0)) < 1e-3);
  });

  it("equals a plain warp for any mirroring, rotation, zoom and shift", () =>
    fc.assert(
      fc.property(
        fc.record({
          mirror: fc.double({ min: 0, max: 0.999, noNaN: true }),
          angle: fc.double({ min: 0, max: 0.999, noNaN: true }),
          zoom: fc.double({ min: 0, max: 0.999, noNaN: true }),
          x: fc.double({ min: 0, max: 0.999, noNaN: true }),
          y: fc.double({ min: 0, max: 0.999, noNaN: true }),
        }),
        fc.integer({ min: 3, max: 14 }),
        fc.integer({ min: 3, max: 14 }),
        (draws, width, height) => {
          const pixels = grid(width, height);
          const changes = options({ flip: 0.5, rotation: 90, shift: 4, zoom: [0.7, 1.3] });
          const own = varied(pixels, width, changes, draws);
          for (const [i, value] of plainWarp(pixels, width, changes, draws).entries())
            assert.ok(Math.abs((own[i] ?? Number.NaN) - value) < 1e-2, `pixel ${i}: ${own[i]}, not ${value}`);
        },
      ),
      { numRuns: 200 },
    ));

  it("keeps grey levels in range, whatever brightness, contrast and noise do", () => {
    const pixels = grid(8, 8);
    for (let seed = 0; seed < 50; seed++) {
      const out = new Float32Array(64);
      const all = options({ brightness: 1, contrast: 1, noise: 1 });
      new Augmenter(all, 8, 8, { scale: 1 / 127.5, offset: -1 }).apply(pixels, new Random(seed), out);
      assert.ok(out.every((value) => value >= -1 && value <= 1));
    }
  });

  it("erases one rectangle of the requested size in the requested fraction of the pictures", () => {
    const pixels = new Uint8Array(20 * 20).fill(77);
    let erased = 0;
    for (let seed = 0; seed < 400; seed++) {
      const out = new Float32Array(400);
      new Augmenter(options({ erase: 0.3, eraseSize: [0.2, 0.5] }), 20, 20, PLAIN).apply(
        pixels,
        new Random(seed),
        out,
      );
      const hit = [...out.keys()].filter((i) => out[i] !== 77);
      if (hit.length === 0) continue;
      erased += 1;
      const columns = hit.map((i) => i % 20);
      const rows = hit.map((i) => Math.floor(i / 20));
      const width = Math.max(...columns) - Math.min(...columns) + 1;
      const height = Math.max(...rows) - Math.min(...rows) + 1;
      assert.equal(hit.length, width * height);
      assert.ok(width >= 4 && width <= 10 && height >= 4 && height <= 10, `${width}x${height}`);
    }
    assert.ok(erased > 90 && erased < 150, `${erased} of 400`);
  });
});
