import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import installer from "@ffmpeg-installer/ffmpeg";
import { endLastPicture } from "#src/media/mp4.js";
import { hasFfprobe, make as made, probe } from "../support/probe.js";

describe("the last frame of an MP4 file", function () {
  this.timeout(60_000);
  let folder: string;
  let path: string;
  before(function () {
    if (!hasFfprobe) this.skip(); // ffprobe is not installed
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    path = join(folder, "a.mp4");
  });
  after(() => folder && rmSync(folder, { recursive: true, force: true }));

  const OWN_TIMES = ["-vsync", "passthrough", "-enc_time_base", "1:12800"];

  /** Two seconds at 10 frames per second, written by the packaged ffmpeg. */
  function make(...args: readonly string[]) {
    const made = ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=2", ...args];
    execFileSync(installer.path, [...made, "-c:v", "libx264", "-pix_fmt", "yuv420p", path]);
  }

  it("gets a duration, and the recording its full length", async () => {
    make("-bf", "2", ...OWN_TIMES);
    assert.equal(Number(probe(path).video.duration).toFixed(2), "1.90");
    await endLastPicture(path, 0.1);
    const { video, times, durationSeconds } = probe(path);
    assert.equal(Number(video.duration).toFixed(2), "2.00");
    assert.equal(durationSeconds.toFixed(2), "2.00");
    assert.equal(times.length, 20);
  });

  it("leaves a recording alone that already has one, also the second time", async () => {
    make();
    const once = readFileSync(path);
    await endLastPicture(path, 0.1);
    assert.deepEqual(readFileSync(path), once);
    make(...OWN_TIMES);
    await endLastPicture(path, 0.1);
    const changed = readFileSync(path);
    await endLastPicture(path, 0.1);
    assert.deepEqual(readFileSync(path), changed);
  });

  it("does not lengthen the recording if the sound is longer", async () => {
    make("-f", "lavfi", "-i", "sine=duration=3", "-c:a", "aac", ...OWN_TIMES);
    const before = probe(path).durationSeconds;
    await endLastPicture(path, 0.1);
    const after = probe(path);
    assert.equal(after.durationSeconds, before);
    assert.equal(Number(after.video.duration).toFixed(2), "2.00");
  });

  for (const [extension, ...order] of [
    ["mp4"],
    ["mp4", "-movflags", "+faststart"],
    ["mov", "-movflags", "+faststart"],
  ])
    it(`is held where that is asked for, after frames of one length in .${extension} ${order.join(" ")}`, async () => {
      const own = join(folder, `held.${extension}`);
      const pictures = ["-f", "lavfi", "-i", "testsrc=size=64x48:rate=10:duration=2"];
      await made(own, ...pictures, "-pix_fmt", "yuv420p", ...order);
      const before = probe(own);
      await endLastPicture(own, 3, true);
      const after = probe(own);
      assert.equal(Number(after.video.duration).toFixed(2), "4.90");
      assert.equal(after.durationSeconds.toFixed(2), "4.90");
      assert.deepEqual(after.times, before.times);
      const held = readFileSync(own);
      await endLastPicture(own, 2, true);
      assert.deepEqual(readFileSync(own), held, "it is longer already");
    });

  it("leaves anything but an MP4 file as it is", async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.from("not a recording"), Buffer.alloc(40, 1)]) {
      writeFileSync(path, bytes);
      await endLastPicture(path, 0.1);
      assert.deepEqual(readFileSync(path), bytes);
    }
  });
});
