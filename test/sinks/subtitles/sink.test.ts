import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Face } from "#src/media/frame.js";
import type { VideoInfo } from "#src/media/video-info.js";
import { subtitles } from "#src/sinks/subtitles/index.js";
import { testContext } from "../../support/context.js";
import { faceAt, facesOf, frameOf } from "../../support/frames.js";
import { hasFfprobe } from "../../support/probe.js";

const HOSTILE = "<b>{\\fs99}-->\n\n& sad";
const MODEL = { name: "m", version: "1", labels: ["happy", HOSTILE] };

/** A recording whose container's times start at 5 s. */
const VIDEO: VideoInfo = {
  timeBase: { num: 1, den: 1000 },
  sampleAspect: { num: 1, den: 1 },
  startMs: 5000,
  subtitles: [],
  colour: { range: "tv" },
  bits: 8,
};

describe("the subtitles sink", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const face = (track: number, label: number, x: number, more: Partial<Face> = {}) =>
    faceAt(x, 24, 16, { track, label, model: MODEL, smoothed: Float32Array.of(0.75, 0.25), ...more });

  /** One second of two faces: the left one happy, the other changing its label halfway. */
  async function write(name: string, ending?: "end" | "stopped", source = "test") {
    const { context, pool, logged } = testContext();
    const [stats] = context.stats.sources;
    const sink = await subtitles.build({ path: join(folder, name) }, context);
    for (let n = 0; n < 25; n++) {
      const item = facesOf(frameOf(pool, n, { source }), [face(2, n < 12 ? 0 : 1, 50), face(1, 0, 12)]);
      await sink.write(item);
      item.frame.release();
    }
    if (stats && ending) stats.ending = ending;
    await sink.close(true);
    return { logged, text: (file = name) => readFileSync(join(folder, file), "utf8") };
  }

  it("writes WebVTT above the faces", async () => {
    const { text } = await write("a.vtt", "end");
    assert.equal(
      text(),
      `WEBVTT

00:00:00.000 --> 00:00:00.480 line:26.3% position:65.6% align:start
#2 happy 75 %

00:00:00.000 --> 00:00:01.000 line:26.3% position:6.3% align:start
#1 happy 75 %

00:00:00.480 --> 00:00:01.000 line:26.3% position:37.0% align:start
#2 &#60;b&#62;{\\fs99}--&#62; &#38; sad 25 %
`,
    );
  });

  it("writes SubRip from left to right", async () => {
    const { text } = await write("a.srt", "end");
    assert.equal(
      text(),
      `1
00:00:00,000 --> 00:00:00,480
#1 happy 75 %
#2 happy 75 %

2
00:00:00,480 --> 00:00:01,000
#1 happy 75 %
#2  b  \\fs99 --  & sad 25 %

`,
    );
  });

  it("writes boxes and labels in the expression's colour as ASS", async () => {
    const { text } = await write("a.ass", "end");
    const lines = text().split("\n");
    assert(lines.includes("PlayResX: 64") && lines.includes("PlayResY: 48"));
    assert.equal(lines.filter((line) => line.startsWith("Dialogue: ")).length, 6);
    const box = "{\\an7\\pos(4,16)\\1a&HFF&\\3c&H009FE6&\\p1}m 0 0 l 16 0 16 16 0 16{\\p0}";
    assert(lines.includes(`Dialogue: 0,0:00:00.00,0:00:01.00,Box,,0,0,0,,${box}`), text());
    assert.equal(lines.at(-2)?.split("}").at(-1), "#2 <b>  fs99 --> & sad 25 %");
  });

  it("writes files that ffmpeg reads with the same times", async function () {
    if (!hasFfprobe) this.skip(); // ffprobe is not installed
    for (const [name, expected] of [
      ["a.vtt", ["0.000000,0.480000", "0.000000,1.000000", "0.480000,0.520000"]],
      ["a.srt", ["0.000000,0.480000", "0.480000,0.520000"]],
    ] as const) {
      await write(name, "end");
      const args = ["-v", "error", "-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0"];
      const read = execFileSync("ffprobe", [...args, join(folder, name)], { encoding: "utf8" });
      assert.deepEqual(read.match(/[\d.]+,[\d.]+/g), expected, name);
    }
  });

  it("writes crowds without gathering listeners", async () => {
    const warnings: Error[] = [];
    const heard = (warning: Error) => warnings.push(warning);
    process.on("warning", heard);
    const { context, pool } = testContext();
    const sink = await subtitles.build({ path: join(folder, "a.ass") }, context);
    for (let n = 0; n < 25; n++) {
      const crowd = Array.from({ length: 100 }, (_, i) => face(i + 1, n % 2, i % 40));
      const item = facesOf(frameOf(pool, n), crowd);
      await sink.write(item);
      item.frame.release();
    }
    await sink.close(true);
    process.off("warning", heard);
    assert.deepEqual(warnings, []);
  });

  it("has its final name once a camera was stopped, but not if the run was cut short", async () => {
    for (const [live, whole, name] of [
      [true, true, "a.vtt"],
      [true, false, "a.part.vtt"],
    ] as const) {
      const { context, pool } = testContext({ live });
      context.source.ending = "stopped";
      const own = mkdtempSync(join(folder, "run-"));
      const sink = await subtitles.build({ path: join(own, "a.vtt") }, context);
      const item = facesOf(frameOf(pool, 0), [face(1, 0, 12)]);
      await sink.write(item);
      item.frame.release();
      await sink.close(whole);
      assert.deepEqual(readdirSync(own), [name]);
    }
  });

  it("counts times from where players start, whatever the container's first time is", async () => {
    const { context, pool } = testContext();
    context.source.recording = { url: "file:a.mp4" };
    context.source.video = VIDEO;
    context.source.ending = "end";
    const sink = await subtitles.build({ path: join(folder, "a.vtt") }, context);
    const item = facesOf(frameOf(pool, 0, { mediaTimeMs: 5200 }), [face(1, 0, 12)]);
    await sink.write(item);
    item.frame.release();
    await sink.close(true);
    assert.match(readFileSync(join(folder, "a.vtt"), "utf8"), /\n00:00:00\.200 --> 00:00:00\.240 /);
  });

  it("puts labels below faces that leave no room above", async () => {
    for (const [name, place] of [
      ["a.vtt", /line:38\.5% position/],
      ["a.ass", /\{\\an7\\pos\(4,18\)\\1c/],
    ] as const) {
      const { context, pool } = testContext();
      context.source.ending = "end";
      const sink = await subtitles.build({ path: join(folder, name) }, context);
      const high = facesOf(frameOf(pool, 0), [
        { ...face(1, 0, 12), box: { x: 4, y: 2, width: 16, height: 16 } },
      ]);
      await sink.write(high);
      high.frame.release();
      await sink.close(true);
      assert.match(readFileSync(join(folder, name), "utf8"), place);
    }
  });

  it("keeps labels of faces at the right edge inside the picture", async () => {
    for (const [name, place] of [
      ["a.vtt", /position:70\.8% align:start\n#1 happy 75 %/],
      ["a.ass", /\{\\an1\\pos\(50,16\)\\1c/],
    ] as const) {
      const { context, pool } = testContext();
      context.source.ending = "end";
      const sink = await subtitles.build({ path: join(folder, name) }, context);
      const item = facesOf(frameOf(pool, 0), [face(1, 0, 60)]);
      await sink.write(item);
      item.frame.release();
      await sink.close(true);
      assert.match(readFileSync(join(folder, name), "utf8"), place);
    }
  });

  it("keeps labels of faces that fill the picture, or leave it, inside it", async () => {
    for (const [ys, place] of [
      [[0, 0], /\{\\an7\\pos\(4,46\)\\1c/],
      [[4, -1], /\{\\an1\\move\(4,4,4,2\)\\1c/],
    ] as const) {
      const { context, pool } = testContext();
      context.source.ending = "end";
      const sink = await subtitles.build({ path: join(folder, "a.ass") }, context);
      for (const [n, y] of ys.entries()) {
        const item = facesOf(frameOf(pool, n), [
          { ...face(1, 0, 12), box: { x: 4, y, width: 56, height: 48 - y } },
        ]);
        await sink.write(item);
        item.frame.release();
      }
      await sink.close(true);
      assert.match(readFileSync(join(folder, "a.ass"), "utf8"), place);
      rmSync(join(folder, "a.ass"));
    }
  });

  it("gets its final name only once the whole recording was read", async () => {
    const stopped = await write("a.vtt", "stopped");
    assert.deepEqual(readdirSync(folder), ["a.part.vtt"]);
    assert.match(stopped.text("a.part.vtt"), /#1 happy/);
    assert.match(
      stopped.logged.join(),
      /warn .*a\.vtt is incomplete; the finished part is in .*a\.part\.vtt/,
    );
    await write("a.vtt", "end");
    assert.deepEqual(readdirSync(folder), ["a.vtt"]);
  });

  it("reports in one line a wrong name, faces without tracks, or two sources", async () => {
    const { context, pool } = testContext();
    assert.throws(
      () => subtitles.build({ path: "a.txt" }, context),
      /a\.txt: the name must end in \.vtt, \.srt, \.ass/,
    );
    const sink = await subtitles.build({ path: join(folder, "b.vtt") }, context);
    const without = facesOf(frameOf(pool, 0), [faceAt(20, 20)]);
    await assert.rejects(
      async () => sink.write(without),
      /faces have no track number; put a `track` operator/,
    );
    without.frame.release();
    const other = facesOf(frameOf(pool, 0, { source: "other" }), []);
    await assert.rejects(async () => sink.write(other), /several sources would write .*; add \{source\} to/);
    other.frame.release();
    await sink.close(false);
    writeFileSync(join(folder, "file"), "");
    const under = await subtitles.build({ path: join(folder, "file", "a.vtt") }, context);
    const item = facesOf(frameOf(pool, 0), []);
    await assert.rejects(
      async () => under.write(item),
      /a\.vtt cannot be written: a part of its path is a file/,
    );
    item.frame.release();
    assert(!existsSync(join(folder, "b.vtt")));
  });
});
