import assert from "node:assert/strict";
import { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Encoding } from "#src/media/encode.js";
import { findEncoder } from "#src/media/encoders.js";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { onMachine } from "../support/machine.js";
import { RECORDING } from "../support/pictures.js";
import { hasFfprobe, probe } from "../support/probe.js";

const [width, height] = [64, 48];
const VIDEO = {
  timeBase: { num: 1, den: 25 },
  frameRate: { num: 25, den: 1 },
  sampleAspect: { num: 1, den: 1 },
  colour: { range: "tv" },
  ...{ bits: 8, startMs: 0, subtitles: [] },
} as const;

describe("an encoding that is stopped", function () {
  this.timeout(60_000);

  it("is playable, even on Windows, where any signal ends ffmpeg at once", async function () {
    if (!hasFfprobe) this.skip(); // ffprobe is not installed
    const ffmpeg = await findFfmpeg();
    const encoder = await findEncoder(ffmpeg, { codec: "libx264" });
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    const { kill } = ChildProcess.prototype;
    ChildProcess.prototype.kill = function () {
      return kill.call(this, "SIGKILL");
    };
    try {
      await onMachine({ platform: "win32" }, async () => {
        const path = join(folder, "a.mp4");
        const recording = { url: RECORDING };
        const job = {
          width,
          height,
          video: VIDEO,
          encoder,
          muxer: "mp4",
          path,
          recording,
          attachments: true,
          startMs: 0,
        };
        const encoding = new Encoding(ffmpeg, job);
        const pixels = new Uint8Array((width * height * 3) / 2).fill(128);
        for (let n = 0; n < 50; n++) await encoding.write(pixels, n * 40);
        await encoding.stop();
        assert.equal(probe(path).times.length, 50);
      });
    } finally {
      ChildProcess.prototype.kill = kill;
      rmSync(folder, { recursive: true });
    }
  });
});
