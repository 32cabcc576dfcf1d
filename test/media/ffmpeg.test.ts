import assert from "node:assert/strict";
import { ChildProcess } from "node:child_process";
import { withPipes } from "#src/media/ffmpeg.js";

describe("an ffmpeg for which the system has no files left", () => {
  it("is an error at once, and its own one, which comes later, ends nothing", () => {
    const child = new ChildProcess(); // as `spawn` gives it then: without pipes
    assert.throws(
      () => withPipes(child),
      /^Error: ffmpeg did not start: no more files or processes are to be had/,
    );
    assert.doesNotThrow(() => child.emit("error", new Error("spawn EMFILE")));
  });
});
