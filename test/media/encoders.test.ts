import assert from "node:assert/strict";
import { encoderOf } from "#src/media/encoders.js";
import { onMachine } from "../support/machine.js";

describe("a video encoder of macOS", () => {
  for (const codec of ["h264_videotoolbox", "hevc_videotoolbox"])
    it(`${codec} is asked for a quality on Apple silicon, and for a bit rate where there is no such setting`, async () => {
      const options = () => encoderOf({ codec, quality: 30 })?.options;
      assert.deepEqual(await onMachine({ arch: "arm64" }, options), ["-q:v", "70"]);
      assert.deepEqual(await onMachine({ arch: "x64" }, options), ["-b:v", "8M"]);
    });
});
