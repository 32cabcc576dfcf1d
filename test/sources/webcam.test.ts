import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { lastValueFrom, map, take, toArray } from "rxjs";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import type { Frame } from "#src/media/frame.js";
import { webcam } from "#src/sources/webcam.js";
import { testContext } from "../support/context.js";
import { RECORDING } from "../support/pictures.js";

const V4L2 = fileURLToPath(new URL("../support/v4l2.c", import.meta.url));

/** ffmpeg's own reader of Linux's cameras, on a stand-in for the kernel's part of it (`v4l2.c`). */
describe("a webcam on Linux", function () {
  this.timeout(60_000);
  let folder: string;
  let device: string;
  const { CAMERA, LD_PRELOAD } = process.env;

  before(async function () {
    if (process.platform !== "linux") this.skip(); // the stand-in is for Linux's kernel
    if (spawnSync("cc", ["--version"]).status !== 0) {
      console.log("      skipped: no C compiler (apt install gcc libc6-dev)");
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    device = join(folder, "video0");
    const { path: ffmpeg } = await findFfmpeg();
    const picture = ["-i", RECORDING, "-frames:v", "1", "-vf", "scale=1280:720", `${device}.jpg`];
    execFileSync(ffmpeg, ["-v", "error", ...picture]);
    const library = join(folder, "v4l2.so");
    execFileSync("cc", ["-Wall", "-Werror", "-shared", "-fPIC", "-o", library, V4L2, "-ldl"]);
    Object.assign(process.env, { CAMERA: device, LD_PRELOAD: library });
  });

  after(() => {
    for (const [name, value] of Object.entries({ CAMERA, LD_PRELOAD }))
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  type Options = Parameters<typeof webcam.open>[0];

  /** The first pictures: size, and whether they are flat, as the stand-in's uncompressed ones are. */
  async function pictures(options: Options, count = 5, seen: (frames: number) => void = () => {}) {
    const { context, pool, close, logged } = testContext({ live: true });
    const frames = webcam.open({ device, ...options }, context).pipe(
      map((frame: Frame, index) => {
        const { width, height, luma, mediaTimeMs } = frame;
        const flat = luma.every((grey) => grey === luma[0]);
        frame.release();
        seen(index + 1);
        return { size: `${width}x${height}`, flat, mediaTimeMs };
      }),
      take(count),
      toArray(),
    );
    const all = await lastValueFrom(frames);
    await close();
    assert.equal(pool.free, pool.slots);
    return { all, last: all.at(-1), logged, reconnects: context.source.reconnects };
  }

  it("delivers its own size and format if nothing is requested", async () => {
    const { last, logged } = await pictures({});
    assert.deepEqual([last?.size, last?.flat, logged], ["640x480", true, []]);
  });

  it("delivers larger pictures as MJPEG, which it has a rate for", async () => {
    const { last, logged } = await pictures({ size: { width: 1280, height: 720 }, fps: 30 });
    assert.deepEqual([last?.size, last?.flat, logged], ["1280x720", false, []]);
  });

  it("delivers the format that is requested, and says at which rate", async () => {
    const { last, logged } = await pictures({
      ...{ size: { width: 1280, height: 720 }, fps: 30 },
      format: "yuyv422",
    });
    assert.deepEqual([last?.size, last?.flat], ["1280x720", true]);
    assert.deepEqual(logged, [`warn source test: ${device}: the camera gives 10 frames/s, not 30`]);
  });

  it("says which size it has if it lacks the requested one", async () => {
    const { last, logged } = await pictures({ size: { width: 1920, height: 1080 } });
    assert.deepEqual([last?.size, last?.flat], ["1280x720", false]);
    assert.deepEqual(logged, [`warn source test: ${device}: the camera gives 1280x720, not 1920x1080`]);
  });

  // While it looks at the stream, ffmpeg collects some pictures, which then come at once.
  const BY_THEN_LIVE = 30;

  /** Lets something happen to the camera for a while, once it is live. */
  const once = (what: "gone" | "still", ms: number) => (frames: number) => {
    if (frames !== BY_THEN_LIVE) return;
    writeFileSync(`${device}.${what}`, "");
    setTimeout(() => rmSync(`${device}.${what}`), ms);
  };

  it("is found again after it was unplugged, and time goes on meanwhile", async () => {
    const { all, reconnects } = await pictures({}, 2 * BY_THEN_LIVE, once("gone", 1000));
    assert(reconnects >= 1);
    const steps = all.slice(1).map(({ mediaTimeMs }, i) => mediaTimeMs - (all[i]?.mediaTimeMs ?? 0));
    assert(Math.min(...steps) >= 0, steps.join(" "));
    // One or two pictures may have been on their way.
    assert(Math.max(...steps) >= 800, steps.join(" "));
  });

  it("is opened again if it hangs", async () => {
    const { logged } = await pictures({ stallTimeout: 1000 }, 2 * BY_THEN_LIVE, once("still", 1500));
    assert.match(logged[0] ?? "", /video0: no new frame for 1 s; trying again in \d/);
  });
});
