import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endLastPicture } from "#src/media/mp4.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { runPlan } from "#src/pipeline/run.js";
import { registry } from "#src/registry.js";
import { faceless } from "../support/components.js";
import { testContext } from "../support/context.js";
import { RECORDING } from "../support/pictures.js";
import { hasFfprobe, make, pictureAt, probe } from "../support/probe.js";
import { turnUpright } from "../support/upright.js";

describe("a written recording", function () {
  this.timeout(60_000);
  let folder: string;
  /** Three seconds of the man with a tone, two chapters and tags. */
  let man: string;
  before(async function () {
    if (!hasFfprobe) this.skip(); // ffprobe is not installed
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    const chapters = join(folder, "chapters.txt");
    writeFileSync(
      chapters,
      ";FFMETADATA1\ntitle=A man\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=3000\ntitle=Two\n",
    );
    man = await make(
      join(folder, "man.mp4"),
      ...["-i", RECORDING, "-f", "lavfi", "-i", "sine=frequency=440:duration=3", "-i", chapters],
      ...["-map", "0:v", "-map", "1:a", "-map_metadata", "2", "-map_chapters", "2", "-t", "3"],
      ...["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"],
    );
  });
  after(() => folder && rmSync(folder, { recursive: true, force: true }));

  /** Copies a recording through the sink. */
  async function through(input: string, output: string, source = "", sink = "", after = "") {
    const plan = parsePipeline(
      `version: 1
sources: [{ type: file, path: ${input} ${source} }]
operators: [{ type: faceless }${after}]
sinks: [{ type: video, path: ${output} ${sink} }]`,
      folder,
      { registry: [...registry, faceless] },
    );
    const { context, logged } = testContext();
    const { errors, sinks } = await runPlan(plan, { log: context.log });
    return { errors: errors.map(({ message }) => message), logged, written: sinks[0]?.written };
  }

  /** The input changed by `args`, and the resulting output. */
  async function both(name: string, args: string[], output = `out-${name}`) {
    const input = await make(join(folder, name), "-i", man, "-map", "0", ...args);
    const { errors, logged } = await through(name, output);
    assert.deepEqual(errors, []);
    return { before: probe(input), after: probe(join(folder, output)), logged };
  }

  it("has the input's frames, times, duration, audio, chapters and tags", async () => {
    const { errors, written } = await through("man.mp4", "copy.mp4");
    assert.deepEqual(errors, []);
    const [before, after] = [probe(man), probe(join(folder, "copy.mp4"))];
    assert.equal(written, 75);
    assert.deepEqual(after.times, before.times);
    assert.deepEqual(after.sound, before.sound);
    assert(before.sound.length > 100);
    assert.deepEqual(after.chapters, before.chapters);
    assert.equal(after.chapters.length, 2);
    assert.equal(after.durationSeconds, before.durationSeconds);
    assert.equal(after.video.r_frame_rate, before.video.r_frame_rate);
    assert.equal(after.tags.title, "A man");
    assert.equal(after.video.tags?.language, before.video.tags?.language);
    assert.equal(after.video.pix_fmt, "yuv420p");
  });

  it("keeps a variable frame rate to the tick", async () => {
    const select = "select='not(mod(n,3))+lt(mod(n,25),9)'";
    const args = [
      "-vf",
      select,
      "-fps_mode",
      "vfr",
      "-c:v",
      "libx264",
      "-preset",
      "ultrafast",
      "-c:a",
      "copy",
    ];
    const { before, after } = await both("vfr.mp4", args);
    assert(before.times.length < 50, String(before.times.length));
    assert.deepEqual(after.times, before.times);
    assert.deepEqual(after.sound, before.sound);
    assert.equal(after.durationSeconds, before.durationSeconds);
  });

  it("shows the last picture of a silent recording as long as the recording does", async () => {
    const silent = join(folder, "silent.mp4");
    const args = ["-map", "0:v", "-map_chapters", "-1", "-t", "1", "-preset", "ultrafast"];
    await make(silent, "-i", man, ...args, "-movflags", "+faststart");
    await endLastPicture(silent, 3, true);
    const before = probe(silent);
    assert.equal(before.durationSeconds, 3.96);
    for (const output of ["held.mp4", "held.mov", "held.mkv"]) {
      assert.deepEqual((await through("silent.mp4", output)).errors, []);
      const after = probe(join(folder, output));
      assert.deepEqual(after.times, before.times, output);
      assert.equal(after.durationSeconds, before.durationSeconds, output);
    }
    const bytes = readFileSync(silent);
    writeFileSync(join(folder, "cut.mp4"), bytes.subarray(0, bytes.length * 0.8));
    assert.match((await through("cut.mp4", "cut-out.mp4")).logged.join("\n"), /damaged or truncated/);
    assert(probe(join(folder, "cut-out.mp4")).durationSeconds < 1, "the rest is missing, not still");
  });

  it("keeps 29.97 fps and the colour tags", async () => {
    const tags = "range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709";
    const args = ["-vf", `fps=30000/1001,setparams=${tags}`, "-preset", "ultrafast", "-c:a", "copy"];
    const { before, after } = await both("ntsc.mp4", args);
    assert.deepEqual(after.times, before.times);
    assert.equal(after.video.avg_frame_rate, "30000/1001");
    for (const key of ["color_range", "color_space", "color_transfer", "color_primaries"] as const) {
      assert.equal(after.video[key], before.video[key]);
      assert.notEqual(after.video[key], undefined);
    }
  });

  it("keeps full-range video as it is", async () => {
    const { before, after } = await both("full.mp4", [
      "-pix_fmt",
      "yuvj420p",
      "-preset",
      "ultrafast",
      "-c:a",
      "copy",
    ]);
    assert.equal(before.video.color_range, "pc");
    assert.equal(after.video.color_range, "pc");
    await alike("full.mp4", "out-full.mp4");
  });

  it("converts 10 bits to 8, says so, and keeps the image", async () => {
    const args = [
      "-pix_fmt",
      "yuv420p10le",
      "-c:v",
      "libx265",
      "-preset",
      "ultrafast",
      "-x265-params",
      "log-level=error",
    ];
    const { before, after, logged } = await both("ten.mp4", [...args, "-c:a", "copy"]);
    assert.equal(before.video.pix_fmt, "yuv420p10le");
    assert.equal(after.video.pix_fmt, "yuv420p");
    assert.deepEqual(after.times, before.times);
    assert(
      logged.some((line) => /^warn .*has 10 bits per sample; .* will have 8/.test(line)),
      logged.join("\n"),
    );
    await alike("ten.mp4", "out-ten.mp4");
  });

  it("turns portrait recordings upright", async () => {
    await make(join(folder, "lying.mp4"), "-i", man, "-c", "copy");
    turnUpright(join(folder, "lying.mp4"), join(folder, "portrait.mp4"), 300);
    const { errors } = await through("portrait.mp4", "upright.mp4");
    assert.deepEqual(errors, []);
    const { video, times } = probe(join(folder, "upright.mp4"));
    assert.deepEqual([video.width, video.height, times.length], [300, 400, 75]);
    await alike("portrait.mp4", "upright.mp4"); // as shown by ffmpeg, which applies the tag
  });

  it("keeps the pixel aspect ratio", async () => {
    const { before, after } = await both("wide.mp4", [
      "-vf",
      "setsar=4/3",
      "-preset",
      "ultrafast",
      "-c:a",
      "copy",
    ]);
    assert.equal(before.video.sample_aspect_ratio, "4:3");
    assert.equal(after.video.sample_aspect_ratio, "4:3");
  });

  it("keeps audio in sync in a recording that starts at any time", async () => {
    const { before, after } = await both("stream.ts", ["-preset", "ultrafast", "-c:a", "copy"], "stream.mkv");
    const start = Number(before.times[0]) - Number(before.sound[0]?.split(" ")[0]);
    const begin = Number(after.times[0]) - Number(after.sound[0]?.split(" ")[0]);
    assert(Math.abs(start - begin) < 0.002, `${start} and ${begin}`);
    assert.equal(after.times.length, before.times.length);
    assert.equal(after.sound.length, before.sound.length);
  });

  it("keeps subtitles in any container", async () => {
    const srt = join(folder, "said.srt");
    writeFileSync(srt, "1\n00:00:00,500 --> 00:00:01,500\nGood day\n\n");
    const said = (name: string) =>
      probe(join(folder, name)).streams.filter((s) => s.codec_type === "subtitle");
    const args = ["-i", man, "-i", srt, "-map", "0:v", "-map", "0:a", "-map", "1", "-c", "copy"];
    await make(join(folder, "said.mp4"), ...args, "-c:s", "mov_text", "-metadata:s:s:0", "language=eng");
    await make(join(folder, "said.mkv"), ...args, "-c:s", "ass");
    for (const [input, output, codec] of [
      ["said.mp4", "said-out.mp4", "mov_text"],
      ["said.mp4", "said-mp4.mkv", "subrip"],
      ["said.mkv", "said-out.mkv", "ass"],
      ["said.mkv", "said-mkv.mp4", "mov_text"],
    ] as const) {
      assert.deepEqual((await through(input, output)).errors, []);
      assert.deepEqual(
        said(output).map(({ codec_name }) => codec_name),
        [codec],
        `${input} to ${output}`,
      );
    }
    assert.equal(said("said-out.mp4")[0]?.tags?.language, "eng");
  });

  it("keeps attachments, except if faces are hidden, since they may be images", async () => {
    const font = join(folder, "font.ttf");
    writeFileSync(font, "no font, but nobody looks");
    await make(
      join(folder, "attached.mkv"),
      ...["-i", man, "-map", "0:v", "-c", "copy", "-attach", font],
      ...["-metadata:s:t", "mimetype=application/x-truetype-font"],
    );
    const attached = (name: string) =>
      probe(join(folder, name)).streams.filter((s) => s.codec_type === "attachment").length;
    assert.deepEqual((await through("attached.mkv", "kept.mkv")).errors, []);
    assert.deepEqual((await through("attached.mkv", "hidden.mkv", "", "", ", { type: blur }")).errors, []);
    assert.deepEqual([attached("attached.mkv"), attached("kept.mkv"), attached("hidden.mkv")], [1, 1, 0]);
  });

  it("trims audio and chapters to the part the source reads", async () => {
    const { errors } = await through("man.mp4", "part-of-it.mp4", ", from: 1s, to: 2s");
    assert.deepEqual(errors, []);
    const { times, durationSeconds, sound, chapters } = probe(join(folder, "part-of-it.mp4"));
    assert.equal(times.length, 25);
    assert.equal(Number(times[0]), 0);
    assert(Math.abs(durationSeconds - 1) < 0.06, `${durationSeconds} s`);
    assert(sound.length >= 41 && sound.length <= 46, String(sound.length));
    assert.equal(chapters.at(-1), "0.000000 1.000000 Two"); // ffmpeg may keep the other one with a duration of zero
  });

  it("pads odd sizes to even ones", async () => {
    await make(
      join(folder, "odd.mkv"),
      "-i",
      man,
      "-vf",
      "scale=321:241",
      "-c:v",
      "ffv1",
      "-pix_fmt",
      "yuv420p",
    );
    const { errors } = await through("odd.mkv", "odd.mp4");
    assert.deepEqual(errors, []);
    const { video } = probe(join(folder, "odd.mp4"));
    assert.deepEqual([video.width, video.height], [322, 242]);
  });

  it("gets its final name only once complete, and replaces leftovers of an earlier run", async () => {
    writeFileSync(join(folder, "new.part.mp4"), "left by a run that was killed");
    const { errors } = await through("man.mp4", "new.mp4");
    assert.deepEqual(errors, []);
    assert.equal(probe(join(folder, "new.mp4")).times.length, 75);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes(".part.")),
      [],
    );
  });

  it("is left as a playable .part file when the run is stopped", async () => {
    const plan = parsePipeline(
      `version: 1
sources: [{ type: file, path: ${RECORDING} }]
operators: [{ type: faceless }]
sinks: [{ type: video, path: stopped.mp4 }]`,
      folder,
      { registry: [...registry, faceless] },
    );
    const stop = new AbortController();
    const { context, logged } = testContext();
    const running = runPlan(plan, {
      log: context.log,
      stop: stop.signal,
      started: ({ stats }) => {
        const timer = setInterval(() => {
          if ((stats.sources[0]?.decoded ?? 0) < 60) return;
          clearInterval(timer);
          stop.abort();
        }, 5);
      },
    });
    await running;
    assert(!existsSync(join(folder, "stopped.mp4")));
    const { times } = probe(join(folder, "stopped.part.mp4"));
    assert(times.length >= 1, String(times.length));
    assert(logged.some((line) => /incomplete; the finished part, .* is in .*stopped\.part\.mp4/.test(line)));
  });

  it("reports a wrong name or encoder in one line", async () => {
    await assert.rejects(through("man.mp4", "a.avi"), /must end in \.mp4, \.m4v, \.mov, \.mkv/);
    await assert.rejects(
      through("man.mp4", "a.mp4", "", ", codec: libx263"),
      /has no video encoder `libx263`; it has .*libx264/,
    );
    const { errors } = await through("man.mp4", join(man, "a.mp4"));
    assert.match(errors.join(), /man\.mp4\/a\.mp4 cannot be written/);
  });

  it("calls H.265 in MP4 by the name that Apple's players know", async function () {
    const { errors } = await through(
      "man.mp4",
      "apple.mp4",
      ", to: 1s",
      ", codec: libx265, preset: ultrafast",
    );
    if (/has no video encoder/.test(errors.join())) this.skip();
    assert.deepEqual(errors, []);
    const { video } = probe(join(folder, "apple.mp4"));
    assert.deepEqual([video.codec_name, video.codec_tag_string], ["hevc", "hvc1"]);
  });

  it("says which container takes sound that another does not", async () => {
    await make(join(folder, "pcm.mov"), "-i", man, "-c:v", "copy", "-c:a", "pcm_s16le", "-t", "1");
    const { errors } = await through("pcm.mov", "pcm.mp4");
    assert.match(errors.join(), /pcm_s16le.*; write to a \.mkv file, which takes any sound$/);
  });

  it("does not mention a .part file if none could be written", async function () {
    if (process.platform !== "linux") this.skip(); // only Linux has a folder that not even root can write to
    const { errors, logged } = await through("man.mp4", "/proc/a.mp4");
    assert.match(errors.join(), /^.*: \/proc\/a\.mp4 cannot be written: .*$/);
    assert.deepEqual(
      logged.filter((line) => line.includes("is incomplete")),
      [],
    );
  });

  /** Asserts the same image except for encoding losses: a mean difference of at most 3 of 255. */
  async function alike(a: string, b: string) {
    const [one, two] = await Promise.all([a, b].map((name) => pictureAt(join(folder, name), 1)));
    assert(one && two && one.length === two.length && one.length > 0);
    let sum = 0;
    for (let i = 0; i < one.length; i++) sum += Math.abs((one[i] ?? 0) - (two[i] ?? 0));
    assert(sum / one.length < 3, `${sum / one.length}`);
  }
});
