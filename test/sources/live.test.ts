import assert from "node:assert/strict";
import { firstValueFrom, take, tap, toArray } from "rxjs";
import type { Frame } from "#src/media/frame.js";
import { live } from "#src/media/live.js";
import { withRemedy } from "#src/media/remedy.js";
import { rtsp } from "#src/sources/rtsp.js";
import { test as testSource } from "#src/sources/test.js";
import { cameraOf, webcam } from "#src/sources/webcam.js";
import { testContext } from "../support/context.js";
import { onMachine } from "../support/machine.js";
import { RECORDING } from "../support/pictures.js";

const soon = { leastMs: 10, mostMs: 20 };

describe("a live source", function () {
  this.timeout(60_000);

  it("is reopened when it ends, and its time never goes back", async () => {
    const { context, pool, close, logged } = testContext({ live: true });
    const frames = live({ before: ["-t", "0.2"], url: RECORDING, name: "camera" }, context, soon).pipe(
      tap((frame: Frame) => frame.release()),
      take(12), // 0.2 s are 5 frames: three sessions
      toArray(),
    );
    const times = (await firstValueFrom(frames)).map(({ mediaTimeMs }) => mediaTimeMs);
    await close();
    assert.ok(context.source.reconnects >= 2);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
    assert.match(logged[0] ?? "", /the stream ended; trying again in/);
    assert.equal(pool.free, pool.slots);
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
    assert.deepEqual(cameraOf("linux"), { format: "v4l2", url: "/dev/video0" });
    assert.deepEqual(cameraOf("darwin", "1"), { format: "avfoundation", url: "1:none", defaultFps: 30 });
    assert.deepEqual(cameraOf("win32", "USB Camera"), { format: "dshow", url: "video=USB Camera" });
    assert.equal(webcam.live({}), true);
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
