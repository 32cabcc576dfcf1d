import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastValueFrom, map, toArray } from "rxjs";
import sharp from "sharp";
import type { PixelFormat } from "#src/media/frame.js";
import { images } from "#src/sources/images.js";
import { testContext } from "../support/context.js";

describe("a source of pictures", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const picture = (name: string, width = 8, height = 6, background = "#808080") =>
    sharp({ create: { width, height, channels: 3, background } }).toFile(join(folder, name));

  async function read(
    options: { path?: string; fps?: number; broken?: "skip" | "fail" } = {},
    format: PixelFormat = "gray",
  ) {
    const { context, pool, logged, close } = testContext({ slots: 2, format });
    try {
      const frames = await lastValueFrom(
        images.open({ path: folder, ...options }, context).pipe(
          map((frame) => {
            const { sequence, mediaTimeMs, width, height, picture: name } = frame;
            const pixels = [...frame.pixels];
            frame.release();
            return { sequence, mediaTimeMs, size: `${width}x${height}`, name, pixels };
          }),
          toArray(),
        ),
        { defaultValue: [] },
      );
      return { frames, logged, source: context.source };
    } finally {
      await close();
      assert.equal(pool.free, pool.slots);
    }
  }
  const names = ({ frames }: Awaited<ReturnType<typeof read>>) => frames.map(({ name }) => name);

  it("counts as another one if a picture has another name or size, so that no events get the same ids", async () => {
    const identity = async () => (await read()).source.identity;
    await picture("1.png");
    const first = await identity();
    assert.equal(await identity(), first);
    await picture("1.png", 80, 60);
    const larger = await identity();
    rmSync(join(folder, "1.png"));
    await picture("2.png");
    assert.equal(new Set([first, larger, await identity()]).size, 3);
  });

  it("gives the pictures of a folder in natural order, one per second, each in its own size", async () => {
    for (const [name, width] of [
      ["10.png", 30],
      ["9.jpg", 20],
      ["1.webp", 10],
      ["notes.txt.png", 40],
    ] as const)
      await picture(name, width);
    writeFileSync(join(folder, "notes.txt"), "not a picture");
    writeFileSync(join(folder, ".hidden.png"), "not a picture");
    const { frames, source } = await read();
    assert.deepEqual(
      frames.map(({ sequence, mediaTimeMs, size, name }) => [sequence, mediaTimeMs, size, name]),
      [
        [0, 0, "10x6", "1.webp"],
        [1, 1000, "20x6", "9.jpg"],
        [2, 2000, "30x6", "10.png"],
        [3, 3000, "40x6", "notes.txt.png"],
      ],
    );
    assert.equal(source.durationMs, 4000);
  });

  it("accepts a pattern, nested folders, and a single file", async () => {
    mkdirSync(join(folder, "a/b"), { recursive: true });
    mkdirSync(join(folder, "a/.git"));
    for (const name of ["1.png", "2.jpg", "a/3.png", "a/b/4.jpeg", "a/.git/5.png"]) await picture(name);
    const of = async (pattern: string) => names(await read({ path: join(folder, pattern) }));
    assert.deepEqual(await of("*.png"), ["1.png"]);
    assert.deepEqual(await of("**/*.{png,jpeg}"), ["1.png", "3.png", "4.jpeg"]);
    assert.deepEqual(await of("[2-9].*"), ["2.jpg"]);
    assert.deepEqual(await of("a/?.png"), ["3.png"]);
    assert.deepEqual(await of("2.jpg"), ["2.jpg"]);
  });

  it("reads a folder whose name looks like a pattern", async () => {
    mkdirSync(join(folder, "summer [2024]"));
    await picture("summer [2024]/1.png");
    assert.deepEqual(names(await read({ path: join(folder, "summer [2024]") })), ["1.png"]);
  });

  it("spaces pictures by `fps`", async () => {
    for (const name of ["1.png", "2.png", "3.png"]) await picture(name);
    const { frames } = await read({ fps: 25 });
    assert.deepEqual(
      frames.map(({ mediaTimeMs }) => mediaTimeMs),
      [0, 40, 80],
    );
  });

  it("writes a rate of any size as a fraction, which a recording made of the pictures needs", async () => {
    await picture("1.png");
    for (const [fps, num, den] of [
      [25, 25_000, 1000],
      [0.5, 1000, 2000],
      [1 / 3600, 1000, 3_600_000],
    ] as const) {
      const { source } = await read({ fps });
      assert.deepEqual(source.video?.frameRate, { num, den });
    }
  });

  it("names a broken picture and continues; later ones keep their numbers and times", async () => {
    await picture("1.png");
    writeFileSync(join(folder, "2.jpg"), "not a picture");
    await sharp({ create: { width: 400, height: 300, channels: 3, background: "red" } })
      .png({ compressionLevel: 0 })
      .toFile(join(folder, "3.png"));
    writeFileSync(join(folder, "3.png"), readFileSync(join(folder, "3.png")).subarray(0, 2000));
    await picture("4.png");
    const { frames, logged } = await read();
    assert.deepEqual(
      frames.map(({ sequence, mediaTimeMs, name }) => [sequence, mediaTimeMs, name]),
      [
        [0, 0, "1.png"],
        [3, 3000, "4.png"],
      ],
    );
    assert.equal(logged.length, 3);
    assert.match(logged[0] ?? "", /^warn source test: .*2\.jpg: not in a picture format .*; skipped$/);
    assert.match(logged[1] ?? "", /3\.png: it cannot be decoded; skipped$/);
    assert.equal(logged[2], "warn source test: 2 of 4 pictures skipped");
  });

  it("fails at a broken picture if told to, after the pictures before it", async () => {
    await picture("1.png");
    writeFileSync(join(folder, "2.jpg"), "not a picture");
    await assert.rejects(
      read({ broken: "fail" }),
      /^SourceError: source test: .*2\.jpg: not in a picture format/,
    );
  });

  it("says what is wrong with a folder in one line", async () => {
    await assert.rejects(read(), /no pictures in this folder; give one with/);
    writeFileSync(join(folder, "1.jpg"), "not a picture");
    await assert.rejects(read(), /none of its pictures can be read/);
    await assert.rejects(read({ path: join(folder, "none") }), /none: folder not found; check `path`/);
    await assert.rejects(read({ path: join(folder, "*.png") }), /no file matches; check `path`/);
    await assert.rejects(read({ path: join(folder, "none/*.png") }), /no file matches; check `path`/);
  });

  it("rotates a picture upright, and puts transparent parts on white", async () => {
    const sideways = sharp({ create: { width: 8, height: 6, channels: 3, background: "black" } });
    await sideways.withMetadata({ orientation: 6 }).jpeg().toFile(join(folder, "1.jpg"));
    await sharp({ create: { width: 2, height: 2, channels: 4, background: "#00000000" } }).toFile(
      join(folder, "2.png"),
    );
    const { frames } = await read();
    assert.equal(frames[0]?.size, "6x8");
    assert.deepEqual(frames[1]?.pixels, [255, 255, 255, 255]);
  });

  it("gives OpenCV's luma and JPEG's chroma, even at odd sizes", async () => {
    // Red: Y 76, Cb 85, Cr 255; blue: Y 29, Cb 255, Cr 107 (JFIF).
    await picture("1.png", 3, 3, "#ff0000");
    await picture("2.png", 3, 1, "#0000ff");
    const { frames } = await read({}, "yuv420p");
    const times = (n: number, value: number) => Array<number>(n).fill(value);
    assert.deepEqual(frames[0]?.pixels, [...times(9, 76), ...times(4, 85), ...times(4, 255)]);
    assert.deepEqual(frames[1]?.pixels, [...times(3, 29), ...times(2, 255), ...times(2, 107)]);
    await sharp(Buffer.from(Array.from({ length: 256 * 3 }, (_, i) => (i * 167) % 256)), {
      raw: { width: 256, height: 1, channels: 3 },
    }).toFile(join(folder, "3.png"));
    const { frames: noise } = await read({ path: join(folder, "3.png") });
    // The formula from OpenCV's documentation, in exact arithmetic.
    const exact = Array.from({ length: 256 }, (_, i) => {
      const [r = 0, g = 0, b = 0] = [0, 1, 2].map((c) => ((i * 3 + c) * 167) % 256);
      return 0.299 * r + 0.587 * g + 0.114 * b;
    });
    for (const [i, value] of exact.entries()) assert(Math.abs((noise[0]?.pixels[i] ?? 0) - value) <= 0.51);
  });

  it("waits while no slot is free, and ends when told to stop", async () => {
    for (let i = 0; i < 9; i++) await picture(`${i}.png`);
    const { context, pool, stop, close } = testContext({ slots: 2 });
    const held: { release(): false }[] = [];
    let done = false;
    images.open({ path: folder }, context).subscribe({
      next: (frame) => held.push(frame),
      complete: () => {
        done = true;
      },
    });
    while (!pool.starved) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(held.length, 2);
    stop();
    for (const frame of held.splice(0)) frame.release();
    while (!done) await new Promise((resolve) => setTimeout(resolve, 5));
    for (const frame of held) frame.release();
    await close();
    assert.ok(context.source.decoded < 9);
    assert.equal(pool.free, pool.slots);
  });
});
