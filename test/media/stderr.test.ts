import assert from "node:assert/strict";
import { type FrameNote, StderrReader } from "#src/media/stderr.js";

/** What versions of ffmpeg say of a frame (with the beginnings of lines that tests do not need cut short). */
const LINES = {
  "4.1 (2018)":
    "[Parsed_showinfo_2 @ 0x55d] n:   0 pts:     40 pts_time:0.04    pos:     1261 fmt:gray sar:1/1 s:320x240 i:P iskey:1 type:I ",
  "5.1":
    "[Parsed_showinfo_2 @ 0x55d] n:   0 pts:     40 pts_time:0.04    duration:      1 duration_time:0.04    pos:     1261 fmt:gray sar:1/1 s:320x240 i:P iskey:1 type:I ",
  "7.1, 9.0":
    "[Parsed_showinfo_2 @ 0x55d] n:   0 pts:     40 pts_time:0.04    duration:      1 duration_time:0.04    fmt:gray cl:left sar:1/1 s:320x240 i:P iskey:1 type:I ",
};

describe("ffmpeg's showinfo", () => {
  for (const [version, line] of Object.entries(LINES))
    it(`is read as version ${version} writes it`, () => {
      const notes: FrameNote[] = [];
      const reader = new StderrReader((note) => notes.push(note));
      reader.push("[Parsed_showinfo_2 @ 0x55d] config in time_base: 1/1000, frame_rate: 25/1\n");
      reader.push(`${line}\n`);
      assert.deepEqual(notes, [
        { ptsMs: 40, width: 320, height: 240, pixelFormat: "gray", sampleAspect: { num: 1, den: 1 } },
      ]);
    });
});
