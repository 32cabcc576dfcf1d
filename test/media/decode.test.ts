import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import { fileURLToPath } from "node:url";
import { filter, firstValueFrom, lastValueFrom, map, takeUntil, timer, toArray } from "rxjs";
import { decode, decodeAhead } from "#src/media/decode.js";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { testContext } from "../support/context.js";
import { onMachine } from "../support/machine.js";
import { RECORDING } from "../support/pictures.js";
import { turnUpright } from "../support/upright.js";

const SHARED = fileURLToPath(new URL("../../../shared/media/", import.meta.url));

describe("decoding", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("is refused with the source's name if no pipe can be created", async () => {
    const { TMPDIR } = process.env;
    process.env.TMPDIR = join(folder, "none");
    try {
      await onMachine({ platform: "darwin" }, () =>
        assert.rejects(read(RECORDING), { code: "FFMPEG_START", message: /^source test: .*: listen E/ }),
      );
    } finally {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
    }
  });

  interface Picture {
    readonly timeMs: number;
    readonly size: string;
    /** Luma of the corners: top left, top right, bottom left, bottom right. */
    readonly corners: readonly (number | undefined)[];
  }

  async function read(path: string): Promise<Picture[]> {
    const { context, pool, close } = testContext({ slots: 2 });
    const input = { before: ["-copyts"], url: `file:${path}`, name: path, live: false };
    const pictures = decode(input, context).pipe(
      map((frame) => {
        const { mediaTimeMs, width, height, luma } = frame;
        const corners = [0, width - 1, (height - 1) * width, height * width - 1].map((at) => luma[at]);
        frame.release();
        return { timeMs: mediaTimeMs, size: `${width}x${height}`, corners };
      }),
      toArray(),
    );
    const all = await lastValueFrom(pictures);
    await close();
    assert.equal(pool.free, pool.slots);
    return all;
  }

  async function made(name: string, source: string, ...args: string[]): Promise<string> {
    const path = join(folder, name);
    const { path: ffmpeg } = await findFfmpeg();
    execFileSync(ffmpeg, ["-v", "error", "-y", "-f", "lavfi", "-i", source, ...args, path]);
    return path;
  }

  /** What ffprobe reports about every frame: its time in ms, and its size. */
  function probed(path: string): { timeMs: number; size: string }[] {
    const what = "frame=best_effort_timestamp_time,width,height";
    const args = ["-v", "error", "-select_streams", "v:0", "-show_entries", what, "-of", "json", path];
    const { frames } = JSON.parse(execFileSync("ffprobe", args, { encoding: "utf8" })) as {
      frames: { best_effort_timestamp_time: string; width: number; height: number }[];
    };
    return frames.map(({ best_effort_timestamp_time, width, height }) => ({
      timeMs: Number(best_effort_timestamp_time) * 1000,
      size: `${width}x${height}`,
    }));
  }
  const hasProbe = () => {
    try {
      execFileSync("ffprobe", ["-version"], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  };

  const PATTERN = "testsrc=size=320x240:rate=25:duration=1";
  const recordings: Record<string, () => Promise<string>> = {
    "H.264 with B-frames in MP4": async () => RECORDING,
    WebM: async () => RECORDING.replace(".mp4", ".webm"),
    "an MPEG transport stream, whose times do not start at 0": () =>
      made("b.ts", PATTERN, "-c:v", "libx264", "-bf", "2"),
    "a variable frame rate": () => made("v.mkv", PATTERN, "-vf", "select='not(mod(n,3))+lt(n,10)'"),
    "29.97 pictures a second": () => made("n.mkv", "testsrc=size=64x48:rate=30000/1001:duration=2"),
    "10 bits": () => made("t.mkv", PATTERN, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le"),
    "an odd size": () =>
      made("o.mkv", "testsrc=size=321x241:rate=25:duration=1", "-c:v", "ffv1", "-pix_fmt", "yuv444p"),
    "a moving GIF": () => made("g.gif", "testsrc=size=64x48:rate=10:duration=1"),
    "a size that changes in mid-stream": async () => joined("two.ts", "1.2"),
  };
  /** Two streams in succession, the second with a different size. */
  async function joined(name: string, secondAt: string): Promise<string> {
    const x264 = ["-c:v", "libx264", "-bf", "2"];
    const first = await made(`1-${name}`, PATTERN, ...x264);
    const second = await made(
      `2-${name}`,
      "testsrc=size=480x272:rate=25:duration=1",
      ...x264,
      "-output_ts_offset",
      secondAt,
    );
    const path = join(folder, name);
    writeFileSync(path, Buffer.concat([readFileSync(first), readFileSync(second)]));
    return path;
  }

  for (const [what, recording] of Object.entries(recordings))
    it(`${what}: gives each frame the time and size that ffprobe reports`, async function () {
      if (!hasProbe()) this.skip();
      const path = await recording();
      const pictures = await read(path);
      const { has } = await findFfmpeg();
      const wanted = probed(path);
      assert.ok(wanted.length >= 10);
      assert.equal(pictures.length, wanted.length);
      for (const [i, { timeMs, size }] of wanted.entries()) {
        const got = pictures[i];
        assert.ok(
          Math.abs((got?.timeMs ?? Number.NaN) - timeMs) < 0.01,
          `${i}: ${got?.timeMs}, not ${timeMs}`,
        );
        // ffmpeg before 4.4 keeps the first size.
        assert.equal(got?.size, has.autoscale ? size : wanted[0]?.size);
      }
    });

  it("reads every recording kept beside the repository at ffprobe's times", async function () {
    if (!hasProbe() || !existsSync(SHARED)) this.skip();
    for (const name of ["again.mkv", "head-pose-face-detection-male.gif"]) {
      const path = join(SHARED, name);
      const times = (await read(path)).map(({ timeMs }) => timeMs.toFixed(2));
      assert.deepEqual(
        times,
        probed(path).map(({ timeMs }) => timeMs.toFixed(2)),
      );
    }
  });

  for (const encoder of ["flv", "libx264"])
    it(`emits a camera's frame when it arrives, not with a later one: ${encoder}`, () =>
      // With as many threads as that many cores suggest.
      onMachine({ cores: 8 }, () => lastFrameOfSilentCamera(encoder)));

  async function lastFrameOfSilentCamera(encoder: string): Promise<void> {
    const source = "testsrc=size=320x240:rate=25:duration=4";
    const path = await made(`${encoder}.flv`, source, "-c:v", encoder, "-g", "1", "-bf", "0");
    const camera = createServer((socket) => void socket.on("error", () => {}).write(readFileSync(path)));
    camera.listen(0, "127.0.0.1");
    await once(camera, "listening");
    const { port } = camera.address() as AddressInfo;
    const { context, close } = testContext({ live: true });
    const low = ["-fflags", "nobuffer", "-probesize", "32768", "-analyzeduration", "0"];
    const input = {
      before: ["-copyts", ...low],
      url: `tcp://127.0.0.1:${port}`,
      name: "camera",
      live: true,
    };
    const sockets: Socket[] = [];
    camera.on("connection", (socket) => sockets.push(socket));
    // The connection stays open and nothing more arrives: even so, the last of 100 frames must.
    const frames = decode(input, context).pipe(
      map((frame) => {
        frame.release();
        return frame.mediaTimeMs;
      }),
      filter((timeMs) => timeMs >= 99 * 40),
      takeUntil(timer(20_000)),
    );
    try {
      assert.equal(await firstValueFrom(frames, { defaultValue: "never" }), 99 * 40);
    } finally {
      for (const socket of sockets) socket.destroy();
      camera.close();
      await close();
    }
  }

  it("drops a camera's frames while a sink is behind, and counts them", async () => {
    const { context, pool, close } = testContext({ live: true });
    const ready = () => new Promise<void>(() => {});
    const input = { before: ["-t", "1"], url: RECORDING, name: "camera", live: true };
    const frames = decode(input, { ...context, ready });
    assert.deepEqual(await lastValueFrom(frames.pipe(toArray())), []);
    await close();
    assert.deepEqual([context.source.decoded, context.source.dropped], [25, 25]);
    assert.equal(pool.free, pool.slots);
  });

  it("waits with a recording's frame while a sink is behind", async () => {
    const { context, close } = testContext();
    let [asked, goOn] = [() => {}, () => {}];
    const behind = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const eased = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const ready = () => {
      asked();
      return eased;
    };
    const input = { before: ["-t", "1"], url: RECORDING, name: "recording", live: false };
    const acquire = mock.method(context.pool, "acquire");
    const frames = decode(input, { ...context, ready }).pipe(
      map((frame) => {
        frame.release();
        return frame.sequence;
      }),
    );
    const last = lastValueFrom(frames);
    await behind;
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(acquire.mock.callCount(), 0);
    goOn();
    assert.equal(await last, 24);
    await close();
  });

  it("continues time across joined streams whose times start over", async () => {
    const pictures = await read(await joined("again.ts", "0"));
    assert.equal(pictures.length, 50);
    const [first] = pictures;
    for (const [i, { timeMs }] of pictures.entries())
      assert.ok(Math.abs(timeMs - (first?.timeMs ?? Number.NaN) - i * 40) < 0.01, `${i}: ${timeMs}`);
  });

  it("rotates a phone's portrait recording upright", async () => {
    // Left half white, right half black; rotated by 90 degrees clockwise, the upper half is white.
    const halves =
      "color=white:size=32x32:rate=25:duration=0.2[l];color=black:size=32x32:rate=25:duration=0.2[r];[l][r]hstack";
    const lying = await made("lying.mp4", halves, "-pix_fmt", "yuv420p");
    assert.deepEqual((await read(lying))[0]?.size, "64x32");
    const upright = join(folder, "upright.mp4");
    turnUpright(lying, upright, 32);
    const pictures = await read(upright);
    assert.equal(pictures.length, 5);
    for (const { size, corners } of pictures) {
      assert.equal(size, "32x64");
      assert.deepEqual(
        corners.map((luma) => Math.round((luma ?? 0) / 255)),
        [1, 1, 0, 0],
      );
    }
  });

  it("starts before anyone takes its frames, and gives them all", async () => {
    const { context, close } = testContext({ slots: 2 });
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const frames = decodeAhead(Promise.resolve({ before: [], url, name: url, live: false }), context);
    const [socket] = (await once(server, "connection")) as [Socket];
    socket.on("error", () => {}).end(readFileSync(await made("ahead.ts", PATTERN)));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const times = frames.pipe(
      map((frame) => {
        frame.release();
        return frame.sequence;
      }),
      toArray(),
    );
    assert.deepEqual(
      await lastValueFrom(times),
      Array.from({ length: 25 }, (_, i) => i),
    );
    await close();
    server.close();
  });

  it("ends what was started ahead and never taken", async () => {
    const { context, close } = testContext({ slots: 2 });
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    decodeAhead(Promise.resolve({ before: [], url, name: url, live: false }), context);
    const [socket] = (await once(server, "connection")) as [Socket];
    const closed = once(socket.on("error", () => {}).resume(), "close");
    await close();
    await closed;
    server.close();
  });

  it("says which signal ended ffmpeg, not what it said last", async function () {
    if (process.platform !== "linux") this.skip(); // elsewhere, /proc does not list our children
    const { context, close } = testContext({ slots: 2 });
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const url = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const frames = decode({ before: [], url, name: "a recording", live: false }, context);
    const failed = assert.rejects(lastValueFrom(frames), {
      code: "SOURCE_OPEN",
      message:
        "source test: a recording: cannot be played: ffmpeg was ended by SIGKILL; perhaps the system is out of memory",
    });
    const [socket] = (await once(server, "connection")) as [Socket];
    socket.on("error", () => {});
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
    const ours = children.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").startsWith("ffmpeg"));
    for (const pid of ours) process.kill(Number(pid), "SIGKILL");
    await failed;
    await close();
    socket.destroy();
    server.close();
  });

  it("tells the subscriber why nothing could be started ahead", async () => {
    const { context, close } = testContext({ slots: 2 });
    const frames = decodeAhead(Promise.reject(new Error("no such recording")), context);
    await new Promise((resolve) => setTimeout(resolve, 10));
    await assert.rejects(lastValueFrom(frames), /no such recording/);
    await close();
  });
});
