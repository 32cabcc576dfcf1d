import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import fc from "fast-check";
import { concatMap, from, lastValueFrom, Subject, tap, throwError, toArray } from "rxjs";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { type Box, type FaceFrame, Frame, frameBytes } from "#src/media/frame.js";
import type { FramePool } from "#src/media/pool.js";
import { blur } from "#src/operators/blur/index.js";
import { events } from "#src/operators/events.js";
import { operator } from "#src/pipeline/component.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { runPlan } from "#src/pipeline/run.js";
import { registry } from "#src/registry.js";
import { testContext } from "../support/context.js";
import { faceAt, facesOf, frameOf } from "../support/frames.js";
import { RECORDING } from "../support/pictures.js";

const [WIDTH, HEIGHT] = [160, 120];

/** A noise picture: anything left of it inside a face can be detected. */
function noise(pool: FramePool, sequence: number, source = "test"): Frame {
  const bytes = frameBytes(WIDTH, HEIGHT, "yuv420p");
  const slot = pool.tryAcquire(bytes);
  assert(slot, "the pool is too small");
  for (let i = 0, seed = sequence + 1; i < bytes; i++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    slot.data[i] = 32 + ((seed >> 16) % 190);
  }
  const info = { source, sequence, mediaTimeMs: sequence * 40, wallTimeMs: 0 };
  return new Frame({ ...info, width: WIDTH, height: HEIGHT, format: "yuv420p" }, slot, pool);
}

type Options = Parameters<typeof blur.build>[0];

/** The output, with its pixels copied and its lease returned at once. */
async function blurred(items: FaceFrame[], options: Options) {
  const { context } = testContext();
  const work = await blur.build(options, context);
  const out: { sequence: number; pixels: Uint8Array }[] = [];
  await lastValueFrom(
    from(items).pipe(
      work,
      concatMap(async ({ frame }) => {
        out.push({ sequence: frame.sequence, pixels: frame.pixels.slice() });
        frame.release();
      }),
      toArray(),
    ),
  );
  return out;
}

const lumaAt = (pixels: Uint8Array, x: number, y: number) => pixels[y * WIDTH + x] ?? -1;

function spreadIn(pixels: Uint8Array, { x, y, width, height }: Box): number {
  const values: number[] = [];
  for (let row = y; row < y + height; row++)
    for (let column = x; column < x + width; column++) values.push(lumaAt(pixels, column, row));
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

describe("blur", () => {
  it("solid leaves no pixel of a face and its margin, in any plane, and changes none outside", async () => {
    const { pool } = testContext({ slots: 2 });
    const before = noise(pool, 0);
    const original = before.pixels.slice();
    const item = { frame: before, faces: [faceAt(80, 60, 40)], fullScan: true };
    const [result] = await blurred([item], { style: "solid", margin: 0.25, ahead: 0 });
    assert(result);
    const inside = (x: number, y: number) => x >= 50 && x < 110 && y >= 30 && y < 90;
    for (let y = 0; y < HEIGHT; y++)
      for (let x = 0; x < WIDTH; x++)
        assert.equal(lumaAt(result.pixels, x, y), inside(x, y) ? 16 : lumaAt(original, x, y), `${x},${y}`);
    const chroma = WIDTH * HEIGHT;
    for (let i = chroma; i < original.length; i++) {
      const at = (i - chroma) % ((WIDTH / 2) * (HEIGHT / 2));
      const [x, y] = [2 * (at % (WIDTH / 2)), 2 * Math.floor(at / (WIDTH / 2))];
      assert.equal(result.pixels[i], inside(x, y) ? 128 : original[i], `chroma at ${x},${y}`);
    }
    assert.equal(pool.free, 2);
  });

  it("hides every pixel that a box touches, if only in part, in any plane", async () => {
    const { pool } = testContext({ slots: 1 });
    const box = { x: 41.4, y: 31.4, width: 20.2, height: 20.2 }; // to 61.6 and 51.6
    const item = { frame: noise(pool, 0), faces: [{ box, score: 9 }], fullScan: true };
    const [result] = await blurred([item], { style: "solid", margin: 0, ahead: 0 });
    assert(result);
    for (const [x, y] of [
      [41, 31],
      [61, 31],
      [41, 51],
      [61, 51],
    ] as const) {
      assert.equal(lumaAt(result.pixels, x, y), 16);
      const chroma = WIDTH * HEIGHT + Math.floor(y / 2) * (WIDTH / 2) + Math.floor(x / 2);
      for (const at of [chroma, chroma + (WIDTH * HEIGHT) / 4]) assert.equal(result.pixels[at], 128);
    }
  });

  it("hides overlapping places of one face together, with what lies between them", async () => {
    const { pool } = testContext({ slots: 2 });
    const items = [faceAt(60, 50, 40), faceAt(70, 60, 40)].map((face, i) => ({
      frame: noise(pool, i),
      faces: [face],
      fullScan: true,
    }));
    for (const { pixels } of await blurred(items, { style: "solid", margin: 0, ahead: 1 }))
      for (const [x, y] of [
        [42, 78],
        [88, 32],
      ] as const)
        assert.equal(lumaAt(pixels, x, y), 16);
  });

  it("pixelate leaves six flat squares across, gaussian a smooth patch", async () => {
    const { pool } = testContext({ slots: 2 });
    const face = { x: 50, y: 30, width: 60, height: 60 };
    const items = () => [{ frame: noise(pool, 0), faces: [faceAt(80, 60, 60)], fullScan: true }];
    const [squares] = await blurred(items(), { style: "pixelate", margin: 0, ahead: 0 });
    assert(squares);
    const values = new Set<number>();
    for (let y = 30; y < 90; y += 10)
      for (let x = 50; x < 110; x += 10) {
        values.add(lumaAt(squares.pixels, x, y));
        assert.equal(spreadIn(squares.pixels, { x, y, width: 10, height: 10 }), 0);
      }
    assert(values.size > 10, "squares have their own mean");
    const [smooth] = await blurred(items(), { style: "gaussian", margin: 0, ahead: 0 });
    assert(smooth);
    assert(spreadIn(smooth.pixels, face) < 6, String(spreadIn(smooth.pixels, face)));
  });

  it("hides a face in the frames before it was found and after it was lost", async () => {
    const { pool } = testContext({ slots: 20 });
    const found = [7, 8, 9];
    const items = Array.from({ length: 20 }, (_, i) => ({
      frame: noise(pool, i),
      faces: found.includes(i) ? [faceAt(80, 60, 40)] : [],
      fullScan: true,
    }));
    const result = await blurred(items, { style: "solid", ahead: 3, linger: 120 });
    const hidden = result
      .filter(({ pixels }) => lumaAt(pixels, 80, 60) === 16)
      .map(({ sequence }) => sequence);
    assert.deepEqual(hidden, [4, 5, 6, 7, 8, 9, 10, 11, 12]);
    assert.deepEqual(
      result.map(({ sequence }) => sequence),
      items.map((_, i) => i),
    );
  });

  it("hides a third around a face, and where it was 400 ms ago, by default", async () => {
    const { pool } = testContext({ slots: 12 });
    const items = Array.from({ length: 12 }, (_, i) => ({
      frame: noise(pool, i),
      faces: i === 0 ? [faceAt(80, 60, 40)] : [],
      fullScan: true,
    }));
    const result = await blurred(items, { style: "solid" });
    const hidden = (x: number) =>
      result.filter(({ pixels }) => lumaAt(pixels, x, 60) === 16).map(({ sequence }) => sequence);
    assert.deepEqual(hidden(50), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.deepEqual(hidden(46), []);
  });

  it("hides what the detector found but `track` did not pass on", async () => {
    const { pool } = testContext({ slots: 1 });
    const { box } = faceAt(80, 60, 40);
    const item = { frame: noise(pool, 0), faces: [], passedOver: [box], fullScan: true };
    const [result] = await blurred([item], { style: "solid", ahead: 0 });
    assert(result);
    assert.equal(spreadIn(result.pixels, box), 0);
  });

  it("holds back as many frames as the operators before it may be late in finding a face", async () => {
    const { context, pool } = testContext({ slots: 12, late: 9 });
    const items = Array.from({ length: 12 }, (_, i) => ({
      frame: noise(pool, i),
      faces: i === 9 ? [faceAt(80, 60, 40)] : [],
      fullScan: true,
    }));
    const hidden: number[] = [];
    const take = ({ frame }: FaceFrame) => {
      if (lumaAt(frame.pixels, 80, 60) === 16) hidden.push(frame.sequence);
      frame.release();
    };
    await lastValueFrom(
      from(items).pipe(await blur.build({ style: "solid", linger: 0 }, context), tap(take)),
    );
    assert.deepEqual(hidden, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal(blur.holds?.({}, 9), 9);
    assert.equal(blur.holds?.({ ahead: 2 }, 9), 2);
    assert.equal(blur.holds?.({}, 0), 5);
  });

  for (const [what, state, live] of [
    ["a source has ended while others continue", "ended", false],
    ["a camera is away", "reconnecting", true],
  ] as const)
    it(`passes on the last frames when ${what}, before \`events\` lets the faces in them leave`, async () => {
      mock.timers.enable({ apis: ["setInterval"] });
      let nowMs = 0;
      const clock = mock.method(performance, "now", () => nowMs);
      const pass = async (ms: number) => {
        nowMs += ms;
        mock.timers.tick(ms);
        await new Promise(setImmediate);
      };
      try {
        const test = testContext({ slots: 10, live });
        const faces = new Subject<FaceFrame>();
        const [hide, tell] = [await blur.build({}, test.context), await events.build({}, test.context)];
        const out: string[] = [];
        faces.pipe(hide, tell).subscribe(({ data }) => out.push(`${data.kind} ${data.frame}`));
        const model = { name: "m", version: "1", labels: ["sad"] };
        const face = faceAt(32, 24, 20, { track: 1, label: 0, probabilities: Float32Array.of(1), model });
        for (let i = 0; i < 9; i++) faces.next(facesOf(frameOf(test.pool, i), [face]));
        await pass(60_000);
        assert.equal(test.pool.leased, 5, "it may still continue");
        test.context.source.state = state;
        await pass(1000);
        assert.equal(test.pool.leased, 0);
        for (let n = 0; n < 11; n++) await pass(1000);
        faces.complete();
        assert.deepEqual(out, ["appeared 0", "left 8"]);
      } finally {
        clock.mock.restore();
        mock.timers.reset();
      }
    });

  it("covers the path of a moving face", async () => {
    const { pool } = testContext({ slots: 8 });
    const items = [40, 44, 48, 52].map((x, i) => ({
      frame: noise(pool, i),
      faces: [faceAt(x, 60, 40)],
      fullScan: true,
    }));
    for (const { pixels } of await blurred(items, { style: "solid", margin: 0, ahead: 3 }))
      for (let x = 20; x < 72; x++) assert.equal(lumaAt(pixels, x, 60), 16);
  });

  it("hides the way of a face that is lost in fast motion and found elsewhere, in the frames between", async () => {
    const { pool } = testContext({ slots: 8 });
    const places = [[20], [], [], [80], [80], [150, 80]]; // the last one at 150 is too far from where anything was lost
    const items = places.map((xs, i) => ({
      frame: noise(pool, i),
      faces: xs.map((x) => faceAt(x, 60, 20)),
      fullScan: true,
    }));
    const out = await blurred(items, { style: "solid", margin: 0, linger: 0, ahead: 5 });
    const hidden = out.map(({ pixels }) => {
      for (let x = 40; x < 60; x++) if (lumaAt(pixels, x, 60) !== 16) return false;
      return true;
    });
    assert.deepEqual(hidden, [false, true, true, false, false, false]);
    assert(out.every(({ pixels }) => spreadIn(pixels, { x: 100, y: 50, width: 30, height: 20 }) > 20));
  });

  it("hides chosen tracks in the frames before they had a number, also in fast motion", async () => {
    const { pool } = testContext({ slots: 8 });
    const other = { x: 5, y: 5, width: 20, height: 20 };
    const passed = [20, 50].map((x, i) => ({
      frame: noise(pool, i),
      faces: [faceAt(140, 100, 20, { track: 1 })],
      passedOver: [faceAt(x, 60, 30).box, other],
      fullScan: true,
    }));
    const numbered = {
      frame: noise(pool, 2),
      faces: [faceAt(140, 100, 20, { track: 1 }), faceAt(80, 60, 30, { track: 2 })],
      passedOver: [other],
      fullScan: true,
    };
    const out = await blurred([...passed, numbered], { style: "solid", tracks: [2], margin: 0, linger: 0 });
    for (const [i, x] of [20, 50, 80].entries()) {
      const { pixels = new Uint8Array() } = out[i] ?? {};
      assert.equal(spreadIn(pixels, { x: x - 15, y: 45, width: 30, height: 30 }), 0, `frame ${i}`);
      assert(spreadIn(pixels, other) > 20, "not a chosen track");
      assert(spreadIn(pixels, { x: 130, y: 90, width: 20, height: 20 }) > 20);
    }
  });

  it("hides only chosen tracks", async () => {
    const { pool } = testContext({ slots: 1 });
    const faces = [faceAt(40, 60, 30, { track: 1 }), faceAt(120, 60, 30, { track: 2 })];
    const item = { frame: noise(pool, 0), faces, fullScan: true };
    const [result] = await blurred([item], { style: "solid", tracks: [2], ahead: 0 });
    assert(result);
    assert(spreadIn(result.pixels, { x: 30, y: 50, width: 20, height: 20 }) > 20);
    assert.equal(spreadIn(result.pixels, { x: 110, y: 50, width: 20, height: 20 }), 0);
  });

  it("hides every face wherever it is, for all sizes, margins and styles", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("pixelate" as const, "gaussian" as const, "solid" as const),
        fc.double({ min: 0, max: 3, noNaN: true }),
        fc.array(
          fc.record({
            x: fc.integer({ min: -20, max: WIDTH + 20 }),
            y: fc.integer({ min: -20, max: HEIGHT + 20 }),
            size: fc.integer({ min: 24, max: 100 }),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        async (style, margin, places) => {
          const { pool } = testContext({ slots: 1 });
          const faces = places.map(({ x, y, size }) => faceAt(x, y, size));
          const frame = noise(pool, 0);
          const original = frame.pixels.slice();
          const [result] = await blurred([{ frame, faces, fullScan: true }], { style, margin, ahead: 0 });
          assert(result);
          let [same, all] = [0, 0];
          for (const { box } of faces)
            for (let y = Math.max(0, box.y); y < Math.min(HEIGHT, box.y + box.height); y++)
              for (let x = Math.max(0, box.x); x < Math.min(WIDTH, box.x + box.width); x++) {
                all++;
                if (
                  lumaAt(result.pixels, Math.floor(x), Math.floor(y)) ===
                  lumaAt(original, Math.floor(x), Math.floor(y))
                )
                  same++;
              }
          // Of noise with 190 values, some pixels equal their square's mean, or its neighbours', by chance.
          assert(all < 200 || same < all / 10, `${same} of ${all}`);
          assert.equal(pool.free, 1);
        },
      ),
      { numRuns: 60 },
    );
  });

  it("returns every lease on unsubscription and when its input fails", async () => {
    const { context, pool } = testContext({ slots: 6 });
    const work = await blur.build({ ahead: 4 }, context);
    const input = new Subject<FaceFrame>();
    const subscription = input.pipe(work).subscribe(({ frame }) => frame.release());
    for (let i = 0; i < 3; i++) input.next({ frame: noise(pool, i), faces: [], fullScan: true });
    assert.equal(pool.free, 3);
    subscription.unsubscribe();
    assert.equal(pool.free, 6);
    await assert.rejects(lastValueFrom(throwError(() => new Error("camera gone")).pipe(work)), /camera gone/);
    assert.equal(pool.free, 6);
  });
});

describe("a pipeline that hides faces", function () {
  this.timeout(60_000);
  const plan = (operators: string, sinks: string, more: typeof registry = registry) =>
    parsePipeline(
      `version: 1\nsources: [{ type: file, path: ${RECORDING}, to: 2s }]\noperators: [${operators}]\nsinks: [${sinks}]\n`,
      tmpdir(),
      { registry: more },
    );
  const FACES = "{ type: detect, minSize: 15% }, { type: track }";

  it("is refused if a picture sink would get unhidden faces", () => {
    assert.throws(
      () =>
        plan(
          `${FACES}, { type: blur }`,
          "{ type: video, path: a.mp4 }, { type: video, path: b.mp4, from: track }",
        ),
      /sink `video-2` would get faces that `blur` hides elsewhere; give it `from: \[blur\]`/,
    );
    assert.throws(
      () =>
        plan(
          `${FACES}, { type: blur }, { type: annotate, from: track }`,
          "{ type: video, path: a.mp4, from: [blur, annotate] }",
        ),
      /sink `video` would get faces/,
    );
    plan(`${FACES}, { type: blur }, { type: annotate }`, "{ type: video, path: a.mp4 }, { type: web }");
  });

  it("gives a warning if a face may be found later than frames are held back", () => {
    const warnings = (operators: string) =>
      plan(operators, "{ type: video, path: a.mp4 }").warnings.map((line) => line.replace(/^.*blur: /, ""));
    assert.deepEqual(warnings("{ type: detect, every: 30 }, { type: track }, { type: blur }"), []);
    assert.deepEqual(warnings("{ type: detect, every: 30 }, { type: track }, { type: blur, ahead: 10 }"), [
      "a face may be found 30 frames late, but only 10 are held back, so it can be seen in the frames between; remove `ahead`",
    ]);
    assert.deepEqual(warnings("{ type: detect, every: 90 }, { type: track }, { type: blur }"), [
      "a face may be found 90 frames late, but only 60 are held back, so it can be seen in the frames between; give `detect` a smaller `every`",
    ]);
  });

  it("is refused if an operator would read what is hidden or drawn over", () => {
    const refused = (operators: string, message: RegExp) =>
      assert.throws(() => plan(operators, "{ type: video, path: a.mp4 }"), message);
    refused(
      `${FACES}, { type: blur }, { type: classify }`,
      /`classify` reads pixels after `blur` has changed them/,
    );
    refused(
      `${FACES}, { type: annotate }, { type: blur }`,
      /`blur` reads pixels after `annotate` has changed them/,
    );
  });

  it("does not deadlock behind another blur whose frames are copies", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-blur-"));
    try {
      const { errors, sinks } = await runPlan(
        plan(
          "{ type: detect, minSize: 25%, every: 10 }, { type: track }, { id: one, type: blur, from: track }, { id: two, type: blur, tracks: [1] }, { id: other, type: blur, from: track }",
          `{ type: video, path: ${join(folder, "a.mkv")}, preset: ultrafast, from: two }, { type: video, path: ${join(folder, "b.mkv")}, preset: ultrafast, from: other }`,
        ),
        { log: testContext().context.log },
      );
      assert.deepEqual(errors, []);
      const written = sinks.map((sink) => sink.written);
      assert.equal(written[0], written[1]);
      assert.ok((written[0] ?? 0) > 20);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("lets no pixel of a face through, on a real recording", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-blur-"));
    try {
      const boxes = new Map<number, Box[]>();
      const spy = operator({
        ...blur,
        type: "spy",
        hides: false,
        spoils: [],
        holds: () => 0,
        example: "- { type: spy }",
        build: () => (input) =>
          input.pipe(
            concatMap((item) => {
              boxes.set(
                item.frame.sequence,
                item.faces.map(({ box }) => box),
              );
              return [item];
            }),
          ),
      });
      const path = join(folder, "hidden.mkv");
      const { errors } = await runPlan(
        plan(
          "{ type: detect, minSize: 15% }, { type: spy }, { type: track }, { type: blur, style: solid, margin: 0 }",
          `{ type: video, path: ${path}, quality: 10 }`,
          [...registry, spy],
        ),
        { log: testContext().context.log },
      );
      assert.deepEqual(errors, []);
      const { path: ffmpeg } = await findFfmpeg();
      const args = ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "gray", "-"];
      const raw = execFileSync(ffmpeg, args, { maxBuffer: 1 << 28 });
      const [width, height] = [400, 300];
      assert.equal(raw.length, boxes.size * width * height);
      let looked = 0;
      for (const [sequence, own] of boxes)
        for (const { x, y, width: w, height: h } of own) {
          // The encoder's blocks bleed a little at the edges.
          for (let row = y + 4; row < y + h - 4; row++)
            for (let column = x + 4; column < x + w - 4; column++) {
              const value = raw[(sequence * height + row) * width + column] ?? 255;
              assert(value < 30, `frame ${sequence}: ${value} at ${column},${row}`);
              looked++;
            }
        }
      assert(looked > 100_000, String(looked));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
