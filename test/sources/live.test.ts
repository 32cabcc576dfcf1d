import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { mock } from "node:test";
import { firstValueFrom, lastValueFrom, type Observable, take, tap, toArray } from "rxjs";
import { EkspresiError } from "#src/errors.js";
import type { Frame } from "#src/media/frame.js";
import { live } from "#src/media/live.js";
import { withRemedy } from "#src/media/remedy.js";
import type { SourceContext } from "#src/pipeline/context.js";
import { rtsp } from "#src/sources/rtsp.js";
import { test as testSource } from "#src/sources/test.js";
import { cameraOf, delivering, webcam } from "#src/sources/webcam.js";
import { testContext } from "../support/context.js";
import { onMachine } from "../support/machine.js";
import { RECORDING } from "../support/pictures.js";

const soon = { leastMs: 10, mostMs: 20 };

describe("a live source", function () {
  this.timeout(60_000);

  it("is reopened when it ends, and its time never goes back", async () => {
    const { context, pool, close, logged } = testContext({ live: true });
    let deferred = 0;
    const defer = (end: () => void | Promise<void>) => {
      deferred++;
      context.defer(end);
    };
    // 1 s is 25 frames: three sessions. A session is read in less than that, so it ends ahead of our own clock.
    const camera = live({ before: ["-t", "1"], url: RECORDING, name: "camera" }, { ...context, defer }, soon);
    const frames = camera.pipe(
      tap((frame: Frame) => frame.release()),
      take(60),
      toArray(),
    );
    const times = (await firstValueFrom(frames)).map(({ mediaTimeMs }) => mediaTimeMs);
    await close();
    assert.equal(deferred, 1, "what it leaves behind does not grow with each session");
    assert.deepEqual(getEventListeners(context.stop, "abort"), []);
    assert.ok(context.source.reconnects >= 2);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    assert.match(logged[0] ?? "", /the stream ended; trying again in/);
    assert.equal(pool.free, pool.slots);
  });

  /** The waits before the first retries of a camera that cannot be opened, in s, without the random part. */
  async function waits(count: number, camera: (context: SourceContext) => Observable<Frame>) {
    const { context, stop, close, logged } = testContext({ live: true });
    mock.method(Math, "random", () => 0.5);
    mock.timers.enable({ apis: ["setTimeout"] });
    try {
      const ended = lastValueFrom(camera(context), { defaultValue: undefined });
      for (let seen = 0; seen < count; ) {
        await new Promise((resolve) => setImmediate(resolve));
        if (context.source.reconnects === seen) continue;
        seen = context.source.reconnects;
        if (seen < count) mock.timers.tick(60_000);
      }
      stop();
      await ended;
    } finally {
      mock.reset();
      await close();
    }
    return logged.map((line) => Number(/trying again in ([\d.]+) s$/.exec(line)?.[1]));
  }
  const nowhere = { before: [], url: "file:/nowhere", name: "camera" };

  it("waits longer before each retry, up to a limit", async () => {
    const camera = (context: SourceContext) => live(nowhere, context, { leastMs: 500, mostMs: 1500 });
    assert.deepEqual(await waits(4, camera), [0.5, 1, 1.5, 1.5]);
  });

  it("never waits longer than a timer can", async () => {
    const camera = (context: SourceContext) => live(nowhere, context, { leastMs: 2 ** 40, mostMs: 2 ** 40 });
    assert.deepEqual(await waits(1, camera), [2_147_483.6]);
  });

  it("respects a camera's maxBackoff from the first retry on, but never retries at once", async () => {
    const url = "rtsp://127.0.0.1:1/none";
    for (const [maxBackoff, seconds] of [
      [200, 0.2],
      [0, 0.1],
    ] as const)
      assert.deepEqual(await waits(1, (context) => rtsp.open({ url, maxBackoff }, context)), [seconds]);
  });

  it("is not taken for stalled if the limits are longer than a timer can be", async () => {
    const { context, close, logged } = testContext({ live: true });
    const input = { before: [], url: RECORDING, name: "camera", openMs: 2 ** 40, stallMs: 2 ** 40 };
    const frames = live(input, context, soon).pipe(
      tap((frame: Frame) => frame.release()),
      take(5),
      toArray(),
    );
    assert.equal((await firstValueFrom(frames)).length, 5);
    await close();
    assert.deepEqual(logged, []);
  });

  it("is tried again if it accepts a connection and then says nothing", async () => {
    const silent = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const { context, stop, close, logged } = testContext({ live: true });
    const camera = rtsp.open({ url: `rtsp://127.0.0.1:${port}/1`, openTimeout: 300 }, context);
    const ended = lastValueFrom(camera, { defaultValue: undefined });
    while (context.source.reconnects === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    stop();
    await ended;
    await close();
    silent.close();
    assert.match(logged[0] ?? "", /: no frame for 0\.3 s; trying again in/);
  });

  it("is not retried if there is no memory for its frames", async () => {
    const { context, close } = testContext({ live: true });
    context.pool.tryAcquire = () => {
      throw new EkspresiError("FRAME_MEMORY", "no memory");
    };
    const camera = live({ before: [], url: RECORDING, name: "camera" }, context, soon);
    await assert.rejects(lastValueFrom(camera), { code: "FRAME_MEMORY" });
    await close();
  });

  it("drops frames for which there is no room, and counts them", async () => {
    const { context, pool, close } = testContext({ live: true, slots: 2 });
    const held: Frame[] = [];
    const camera = testSource.open({ fps: 100 }, context).subscribe((frame) => held.push(frame));
    while (context.source.dropped < 10) await new Promise((resolve) => setTimeout(resolve, 20));
    camera.unsubscribe();
    await close();
    assert.equal(held.length, 2);
    assert.ok(context.source.decoded >= 12);
    for (const frame of held) frame.release();
    assert.equal(pool.free, pool.slots);
  });

  it("never ends at a known time, even if it plays a recording, which it repeats", async () => {
    const { context, close } = testContext({ live: true });
    const first = await firstValueFrom(testSource.open({ path: RECORDING }, context));
    first.release();
    await close();
    assert.equal(context.source.durationMs, undefined);
  });

  it("is not waited for if it is a file that is missing", async () => {
    const { context, close } = testContext({ live: true });
    const frames = lastValueFrom(testSource.open({ path: "/none/camera.mp4" }, context));
    await assert.rejects(frames, { message: /\/none\/camera\.mp4: no such file; check `path`$/ });
    await close();
    assert.equal(context.source.reconnects, 0);
  });

  it("is refused if standard input should be it, or if it may not take time", () => {
    assert.equal(testSource.check?.({ path: "-" })?.option, "path");
    assert.equal(rtsp.check?.({ url: "rtsp://a", stallTimeout: 0 })?.option, "stallTimeout");
    assert.equal(rtsp.check?.({ url: "rtsp://a", openTimeout: 0 })?.option, "openTimeout");
    assert.equal(rtsp.check?.({ url: "rtsp://a", stallTimeout: 1 }), undefined);
    assert.equal(webcam.check?.({ stallTimeout: 0 })?.option, "stallTimeout");
  });

  it("ends cleanly when told to stop, even between two attempts", async () => {
    const { context, stop, close, logged } = testContext({ live: true });
    const url = "rtsp://user:geheim@127.0.0.1:1/none";
    const done = new Promise<void>((resolve, reject) =>
      rtsp.open({ url }, context).subscribe({ complete: resolve, error: reject }),
    );
    while (context.source.reconnects === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    stop();
    await done;
    await close();
    assert.doesNotMatch(logged.join("\n"), /geheim/);
    assert.match(logged[0] ?? "", /rtsp:\/\/user:\*\*\*@127\.0\.0\.1:1\/none/);
  });

  it("names a webcam the way each system does", () => {
    assert.deepEqual(cameraOf("linux"), { system: "v4l2", url: "/dev/video0" });
    assert.deepEqual(cameraOf("darwin", "1"), { system: "avfoundation", url: "1:none", defaultFps: 30 });
    assert.deepEqual(cameraOf("win32", "USB Camera"), { system: "dshow", url: "video=USB Camera" });
    assert.equal(webcam.live({}), true);
    assert.deepEqual(delivering("v4l2", "mjpeg"), ["-input_format", "mjpeg"]);
    assert.deepEqual(delivering("dshow", "mjpeg"), ["-vcodec", "mjpeg"]);
    assert.deepEqual(delivering("dshow", "yuyv422"), ["-pixel_format", "yuyv422"]);
    assert.deepEqual(delivering("avfoundation", "nv12"), ["-pixel_format", "nv12"]);
  });

  it("requires the name of a webcam on Windows, which has no first one", async () => {
    const { context, close } = testContext({ live: true });
    await onMachine({ platform: "win32" }, () =>
      assert.throws(() => webcam.open({}, context), {
        name: "ConfigError",
        message: /`pipeline doctor` lists/,
      }),
    );
    await close();
  });

  it("says what to do if a Mac's webcam does not support what was requested", () => {
    for (const [option, what] of [
      ["fps", "framerate (60.000000)"],
      ["size", "video size (1x1)"],
    ])
      assert.match(
        withRemedy(`Selected ${what} is not supported by the device.`, "0:none"),
        new RegExp(`; set an? \`${option}\` that the camera supports$`),
      );
  });
});
