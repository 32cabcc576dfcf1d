import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lastValueFrom, reduce, tap } from "rxjs";
import { decode } from "#src/media/decode.js";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { type FrameNote, StderrReader } from "#src/media/stderr.js";
import { testContext } from "../support/context.js";

/** How different versions of ffmpeg report a frame. */
const LINES = {
  "of 2018":
    "[showinfo@1f @ 0x1df79380] n:   1 pts:     40 pts_time:0.04    pos:       -1 fmt:gray sar:1/1 s:320x240 i:P iskey:1 type:I ",
  "5.1":
    "frame=    1 fps=0.0 q=-0.0 size=N/A time=00:00:00.04 bitrate=N/A speed=N/A    [showinfo@1f @ 0x55e5c51cb700] n:   1 pts:     40 pts_time:0.04    pos:       -1 fmt:gray sar:1/1 s:320x240 i:P iskey:1 type:I ",
  "7.1, 9.0":
    "[showinfo@1f @ 0x7f3804001d40] n:   1 pts:     40 pts_time:0.04    duration:      1 duration_time:0.04    fmt:gray cl:unspecified sar:1/1 s:320x240 i:P iskey:1 type:I ",
};

describe("ffmpeg's showinfo", () => {
  for (const [version, line] of Object.entries(LINES))
    it(`is read as version ${version} writes it`, () => {
      const notes: FrameNote[] = [];
      const reader = new StderrReader("showinfo@1f", (note) => notes.push(note));
      reader.push("[showinfo@1f @ 0x55d] config in time_base: 1/1000, frame_rate: 25/1\n");
      reader.push(`${line}\n`);
      assert.deepEqual(notes, [
        { ptsMs: 40, width: 320, height: 240, pixelFormat: "gray", sampleAspect: { num: 1, den: 1 } },
      ]);
    });
});

describe("a recording's own metadata", () => {
  it("is not mistaken for what ffmpeg says about a frame, even with line ends in it", () => {
    const notes: FrameNote[] = [];
    const reader = new StderrReader("showinfo@1f", (note) => notes.push(note));
    const frame = "n: 0 pts: 5 pts_time:0.1 fmt:gray sar:1/1 s:60000x60000 i:P";
    reader.push(`    title           : showinfo ${frame}\n`);
    reader.push(`  Stream #0:0(und\n[Parsed_showinfo_1 @ 0x1] ${frame}): Video: h264\n`);
    reader.push(`[showinfo@1f @ 0x55d]   metadata: ${frame}\n`);
    assert.deepEqual(notes, []);
  });
});

describe("why ffmpeg failed", () => {
  const reasonOf = (...lines: string[]) => {
    const reader = new StderrReader("showinfo@1f", () => {});
    reader.push(`${lines.join("\n")}\n`);
    return reader.reason;
  };

  it("is reported without the address of its origin, also in the form of Windows builds", () => {
    for (const address of ["0x55e5c51cb700", "00000158ed4a6c80", "000001F2E4327240"])
      assert.equal(reasonOf(`[mov,mp4 @ ${address}] moov atom not found`), "moov atom not found");
  });

  it("is what a Mac's camera does not support, however much it does", () => {
    const modes = Array.from({ length: 30 }, (_, n) => `${640 + n}x480@[1.000000 30.000000]fps`);
    for (const what of ["framerate (29.970030)", "video size (1x1)"])
      assert.equal(
        reasonOf(
          ...[`Selected ${what} is not supported by the device.`, "Supported modes:", ...modes].map(
            (line) => `[AVFoundation indev @ 0x7f9] ${line}`,
          ),
          "0:none: Input/output error",
        ),
        `Selected ${what} is not supported by the device.`,
      );
  });

  it("is not the pixel format of a Mac's camera, which picks another by itself", () => {
    assert.equal(
      reasonOf(
        "[AVFoundation indev @ 0x7f9] Selected pixel format (yuv420p) is not supported by the input device.",
        "[AVFoundation indev @ 0x7f9] Overriding selected pixel format to use uyvy422 instead.",
        "0:none: Input/output error",
      ),
      "0:none: Input/output error",
    );
  });
});

describe("what ffmpeg says about damage", () => {
  it("is reported if the recording ends as if all were well", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    try {
      const { path: ffmpeg } = await findFfmpeg();
      const whole = join(folder, "whole.mp4");
      const pattern = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=25:duration=4"];
      execFileSync(ffmpeg, ["-v", "error", ...pattern, "-c:v", "libx264", "-movflags", "+faststart", whole]);
      const read = async (path: string) => {
        const warned: string[] = [];
        const { context, close } = testContext({ slots: 2 });
        const input = { before: ["-copyts"], url: `file:${path}`, name: "clip", live: false };
        const log = { ...context.log, warn: (message: string) => void warned.push(message) };
        const count = await lastValueFrom(
          decode(input, { ...context, log }).pipe(
            tap((frame) => frame.release()),
            reduce((n) => n + 1, 0),
          ),
        );
        await close();
        return { count, warned };
      };
      assert.deepEqual(await read(whole), { count: 100, warned: [] });
      const bytes = readFileSync(whole);
      const cut = join(folder, "cut.mp4");
      writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length * 0.6)));
      const { count, warned } = await read(cut);
      assert.ok(count > 0 && count < 100, String(count));
      assert.equal(warned.length, 1);
      assert.match(
        warned.join(),
        new RegExp(`clip: damaged or truncated; ${count} frames? read, the last at \\d+\\.\\d{3} s: `),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
