import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Subscription } from "rxjs";
import { rtsp } from "#src/sources/rtsp.js";
import { testContext } from "../support/context.js";
import { RECORDING } from "../support/pictures.js";
import { type CameraOptions, RtspServer, whyNoRtspServer } from "../support/rtsp-server.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const missing = whyNoRtspServer();

describe(`an RTSP camera${missing ? `: ${missing}` : ""}`, function () {
  this.timeout(60_000);
  before(function () {
    if (missing) this.skip();
  });
  let server: RtspServer;
  let camera: ReturnType<typeof watch>;
  beforeEach(() => {
    server = new RtspServer();
  });
  afterEach(async () => {
    await camera?.close();
    await server.kill();
  });

  /** Opens the camera with short limits and keeps its output. */
  function watch(url: string, transport: "tcp" | "udp" = "tcp") {
    const { context, pool, logged, stop, close } = testContext({ id: "door", live: true });
    const frames: { mediaTimeMs: number; size: string }[] = [];
    let ended = false;
    const options = { url, transport, openTimeout: 4000, stallTimeout: 1000, maxBackoff: 300 };
    const subscription: Subscription = rtsp.open(options, context).subscribe({
      next: (frame) => {
        frames.push({ mediaTimeMs: frame.mediaTimeMs, size: `${frame.width}x${frame.height}` });
        frame.release();
      },
      complete: () => {
        ended = true;
      },
    });
    return {
      context,
      frames,
      logged,
      stop,
      ended: () => ended,
      close: async () => {
        subscription.unsubscribe();
        await close();
        assert.equal(pool.free, pool.slots);
      },
    };
  }

  async function until(what: string, done: () => boolean): Promise<void> {
    const end = Date.now() + 40_000;
    while (!done()) {
      if (Date.now() > end) assert.fail(`${what}: waited in vain; log: ${camera?.logged.join(" | ")}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  async function moreFrames(count = 5): Promise<void> {
    const least = camera.frames.length + count;
    await until(`${count} more frames`, () => camera.frames.length >= least);
  }
  function timeNeverWentBack(): void {
    const times = camera.frames.map(({ mediaTimeMs }) => mediaTimeMs);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
  }

  const accounts: [transport: "tcp" | "udp", auth: CameraOptions["auth"]][] = [
    ["tcp", "digest"],
    ["udp", "basic"],
  ];
  for (const [transport, auth] of accounts)
    it(`plays over ${transport} with user and password (${auth})`, async () => {
      await server.start({ auth: auth ?? "basic", user: "viewer", password: "p@ss/wörd" });
      camera = watch(server.url("viewer:p%40ss%2Fw%C3%B6rd"), transport);
      await moreFrames(10);
      assert.equal(camera.frames[0]?.size, "320x240");
      assert.equal(camera.frames[0]?.mediaTimeMs, 0);
      assert.deepEqual(camera.logged, []);
      timeNeverWentBack();
    });

  it("is seen from its first key frame on, though the next one is 10 s away", async () => {
    await server.start({ recording: RECORDING });
    camera = watch(server.url());
    await moreFrames(10);
    assert.equal(camera.frames[0]?.size, "400x300");
    assert.deepEqual(camera.logged, []);
  });

  it("says that the password is wrong without revealing it, and retries", async () => {
    await server.start({ auth: "digest", user: "viewer", password: "right" });
    camera = watch(server.url("viewer:geheim%21"));
    await until("two tries", () => camera.logged.length >= 2);
    assert.match(
      camera.logged[0] ?? "",
      /^warn source door: rtsp:\/\/viewer:\*\*\*@127\.0\.0\.1:\d+\/stream: .*401 Unauthorized.*; trying again in \d/,
    );
    assert.doesNotMatch(camera.logged.join(), /geheim/);
  });

  it("says which part of the address is wrong", async () => {
    await server.start();
    camera = watch(server.url().replace("stream", "strem"));
    await until("a message", () => camera.logged.length >= 1);
    assert.match(camera.logged[0] ?? "", /404 Not Found.*check the path/);
    await camera.close();
    await server.kill();
    camera = watch(server.url());
    await until("a message", () => camera.logged.length >= 1);
    assert.match(camera.logged[0] ?? "", /Connection refused.*check address and port/);
  });

  for (const transport of ["tcp", "udp"] as const) {
    it(`over ${transport}: goes silent and comes back`, async () => {
      await server.start();
      camera = watch(server.url(), transport);
      await moreFrames();
      server.hang();
      await until("a stall", () => camera.context.source.state === "reconnecting");
      assert.match(camera.logged[0] ?? "", /no new frame for 1 s; trying again/);
      server.goOn();
      await moreFrames();
      assert.equal(camera.context.source.state, "running");
      assert.ok(camera.context.source.reconnects >= 1);
      timeNeverWentBack();
    });

    it(`over ${transport}: goes down and comes back with frames of another size`, async () => {
      await server.start();
      camera = watch(server.url(), transport);
      await moreFrames();
      await server.kill();
      // Some attempts find no server.
      await until("two failures", () => camera.context.source.reconnects >= 2);
      await server.start({ size: "640x360" });
      await moreFrames();
      assert.equal(camera.frames.at(-1)?.size, "640x360");
      assert.equal(new Set(camera.frames.map(({ size }) => size)).size, 2);
      assert.deepEqual([camera.context.source.width, camera.context.source.height], [640, 360]);
      timeNeverWentBack();
    });
  }

  it("ends when told to stop while the camera is silent", async () => {
    await server.start();
    camera = watch(server.url());
    await moreFrames();
    server.hang();
    camera.stop();
    await until("its end", camera.ended);
  });

  it("leaves no ffmpeg behind when the process is killed while the camera is silent", async function () {
    if (process.platform !== "linux") this.skip();
    await server.start();
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    const file = join(folder, "p.yaml");
    writeFileSync(
      file,
      `version: 1
name: orphans
sources: [{ type: rtsp, url: "${server.url()}", openTimeout: 1s, stallTimeout: 1s }]
operators: [{ type: detect }, { type: track }, { type: classify }, { type: events }]
sinks: [{ type: jsonl, path: events.jsonl }]
`,
    );
    const run = spawn(process.execPath, [MAIN, "run", file], { stdio: "ignore" });
    const ended = once(run, "exit");
    try {
      const proc = (file: string) => readFileSync(`/proc/${file}`, "utf8");
      const ffmpeg = () =>
        proc(`${run.pid}/task/${run.pid}/children`)
          .split(" ")
          .find((pid) => existsSync(`/proc/${pid}/cmdline`) && proc(`${pid}/cmdline`).includes("rtsp://"));
      await until("ffmpeg", () => ffmpeg() !== undefined && existsSync(join(folder, "events.jsonl")));
      const pid = ffmpeg();
      server.hang();
      run.kill("SIGKILL");
      await until("its end", () => !existsSync(`/proc/${pid}`));
    } finally {
      run.kill("SIGKILL");
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
