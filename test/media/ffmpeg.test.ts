import assert from "node:assert/strict";
import { ChildProcess } from "node:child_process";
import { withPipes } from "#src/media/ffmpeg.js";

describe("an ffmpeg for which the system has no files left", () => {
  it("is an error at once, and its own later error ends nothing", () => {
    const child = new ChildProcess(); // as returned by `spawn` in that case: without pipes
    assert.throws(
      () => withPipes(child),
      /^Error: ffmpeg did not start: the limit of open files or processes is reached/,
    );
    assert.doesNotThrow(() => child.emit("error", new Error("spawn EMFILE")));
  });
});
