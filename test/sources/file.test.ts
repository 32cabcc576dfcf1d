import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lastValueFrom, map, tap, toArray } from "rxjs";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { partDone } from "#src/pipeline/context.js";
import { file } from "#src/sources/file.js";
import { testContext } from "../support/context.js";
import { RECORDING } from "../support/pictures.js";

describe("a recording", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function read(options: { path: string; from?: number; to?: number; loop?: number }) {
    const { context, pool, close } = testContext({ slots: 2 });
    const frames = await lastValueFrom(
      file.open(options, context).pipe(
        map((frame) => {
          const { sequence, mediaTimeMs, width, height } = frame;
          const middle = frame.luma[Math.floor(height / 2) * width + Math.floor(width / 2)];
          frame.release();
          return { sequence, mediaTimeMs: Math.round(mediaTimeMs), size: `${width}x${height}`, middle };
        }),
        toArray(),
      ),
    );
    await close();
    assert.equal(pool.free, pool.slots);
    return frames;
  }

  async function made(name: string, ...args: string[]): Promise<string> {
    const path = join(folder, name);
    execFileSync((await findFfmpeg()).path, ["-v", "error", "-y", ...args, path]);
    return path;
  }

  it("gives every frame, in order, at the container's times", async () => {
    const frames = await read({ path: RECORDING });
    assert.equal(frames.length, 1337);
    assert.ok(frames.every(({ sequence, mediaTimeMs }, i) => sequence === i && mediaTimeMs === i * 40));
  });

  it("is read, whatever its title and language say", async () => {
    const spoof = "und)\n[Parsed_showinfo_1 @ 0x1] n: 0 pts: 5 pts_time:0.1 fmt:gray sar:1/1 s:64x48 i:P (";
    const tags = ["-metadata", `title=showinfo ${spoof}`, "-metadata:s:v", `language=${spoof}`];
    const path = await made(
      "spoof.mkv",
      ..."-f lavfi -i testsrc=size=320x240:duration=1".split(" "),
      ...tags,
    );
    const frames = await read({ path });
    assert.equal(frames.length, 25);
    assert.ok(frames.every(({ size }) => size === "320x240"));
  });

  it("is named once in the error if it is no recording", async () => {
    const path = join(folder, "noise.mp4");
    writeFileSync(path, "noise ".repeat(1000));
    await assert.rejects(read({ path }), {
      message: `source test: ${path}: cannot be played: Invalid data found when processing input; give a recording that ffmpeg can read`,
    });
  });

  it("is never read as a list of other files, unless its name says so", async () => {
    const secret = await made("secret.ts", ..."-f lavfi -i testsrc=duration=1 -pix_fmt yuv420p".split(" "));
    const hls = `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${secret}\n#EXT-X-ENDLIST\n`;
    const concat = "ffconcat version 1.0\nfile secret.ts\n";
    for (const [n, text] of [hls, concat].entries()) {
      const path = join(folder, `upload${n}.mp4`);
      writeFileSync(path, text);
      await assert.rejects(read({ path }), {
        message: `source test: ${path}: cannot be played: it is not a recording, or refers to other files`,
      });
    }
    const list = join(folder, "list.m3u8");
    writeFileSync(list, hls);
    assert.equal((await read({ path: list })).length, 25);
  });

  it("starts and stops where told to, in the container's times", async () => {
    const frames = await read({ path: RECORDING, from: 10_000, to: 12_000 });
    assert.equal(frames[0]?.mediaTimeMs, 10_000);
    assert.equal(frames.length, 50);
  });

  it("starts there in recordings without an index, not at the next key frame", async () => {
    for (const name of ["key.ts", "key.mpg"]) {
      const path = await made(name, ..."-f lavfi -i testsrc=size=64x48:rate=25:duration=20 -g 50".split(" "));
      const [first] = await read({ path });
      assert.ok(first);
      for (const from of [0, 1000, 1480, 18_960]) {
        const frames = await read({ path, from, to: from + 1000 });
        assert.equal(frames[0]?.mediaTimeMs, first.mediaTimeMs + from, `${name} from ${from} ms`);
        assert.equal(frames[0]?.sequence, 0);
        assert.equal(frames.length, 25);
      }
      for (const from of [21_000, 100_000])
        await assert.rejects(read({ path, from }), {
          message: `source test: ${path}: no video in this part of it; check \`from\` and \`to\` against its length`,
        });
    }
  });

  it("counts as another recording if it starts elsewhere, so that no events get the same ids", async () => {
    const identity = async (options: { path: string; from?: number; to?: number }) => {
      const { context, close } = testContext();
      await lastValueFrom(file.open({ to: 4100, ...options }, context).pipe(map((frame) => frame.release())));
      await close();
      return context.source.identity;
    };
    const whole = await identity({ path: RECORDING });
    assert.equal(
      whole,
      await identity({ path: RECORDING, to: 200 }),
      "its end does not change the frames' numbers",
    );
    assert.notEqual(whole, await identity({ path: RECORDING, from: 4000 }));
  });

  it("reports its progress, even if its times start late, and for a part of it", async () => {
    const late = await made(
      "late.ts",
      ..."-f lavfi -i testsrc=rate=25:duration=4 -output_ts_offset 100 -pix_fmt yuv420p".split(" "),
    );
    for (const [begin, end] of [
      [undefined, undefined],
      [1000, 3000],
    ]) {
      const { context, close } = testContext({ slots: 2 });
      const parts: number[] = [];
      const options = { path: late, ...(begin && { from: begin }), ...(end && { to: end }) };
      await lastValueFrom(
        file.open(options, context).pipe(
          map((frame) => {
            parts.push(partDone(context.source) ?? Number.NaN);
            frame.release();
          }),
        ),
      );
      await close();
      assert.ok((context.source.firstTimeMs ?? 0) > 100_000);
      assert.equal(parts[0], 0);
      assert.ok(Math.abs((parts[Math.floor(parts.length / 2)] ?? 0) - 0.5) < 0.05, String(parts));
      assert.ok((parts.at(-1) ?? 0) > 0.95, String(parts));
    }
  });

  it("plays several rounds with continuing time", async () => {
    const path = await made("short.mp4", "-f", "lavfi", "-i", "testsrc=rate=25:duration=1");
    const times = (await read({ path, loop: 3 })).map(({ mediaTimeMs }) => mediaTimeMs);
    assert.equal(times.length, 75);
    assert.deepEqual(
      times,
      [...times].sort((a, b) => a - b),
    );
  });

  it("is another one each time if it comes through a named pipe, so that its events are not taken for the last one's", async function () {
    if (process.platform === "win32") return this.skip();
    const [path, short] = [
      join(folder, "pipe"),
      await made("short.mkv", "-i", RECORDING, "-t", "1", "-c", "copy"),
    ];
    execFileSync("mkfifo", [path]);
    const { context, close } = testContext();
    const frames = lastValueFrom(
      file.open({ path }, context).pipe(
        tap((frame) => frame.release()),
        toArray(),
      ),
    );
    await writeFile(path, readFileSync(short)); // not synchronously, since it waits for the reader
    assert.ok((await frames).length >= 25);
    assert.equal(context.source.identity, `since ${context.startedAtMs}`);
    await close();
  });

  it("is another one each time if it is a stream that is still going on, unlike one that has ended", async () => {
    const part = readFileSync(
      await made("part.ts", ..."-f lavfi -i testsrc=duration=1 -pix_fmt yuv420p".split(" ")),
    );
    const begun = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\npart.ts\n";
    let asked = 0;
    const server = createServer(({ url = "" }, response) => {
      const over = url === "/ended.m3u8" || asked++ > 0;
      response.end(url === "/part.ts" ? part : `${begun}${over ? "#EXT-X-ENDLIST\n" : ""}`);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const identity = async (path: string) => {
      const { context, close } = testContext();
      await lastValueFrom(file.open({ path }, context).pipe(map((frame) => frame.release())));
      await close();
      return context.source.identity === `since ${context.startedAtMs}`
        ? "this run's"
        : context.source.identity;
    };
    assert.equal(await identity(`${at}/ended.m3u8`), `${at}/ended.m3u8`);
    asked = 0;
    assert.equal(await identity(`${at}/live.m3u8`), "this run's");
    server.close();
  });

  it("cannot play several rounds of a part: ffmpeg would play the part once, or the rest as a whole", () => {
    for (const options of [
      { loop: 3, to: 2000 },
      { loop: true, from: 1000 },
    ])
      assert.equal(file.check?.({ path: RECORDING, ...options })?.option, "loop");
    assert.equal(file.check?.({ path: "-", loop: true })?.option, "loop", "nor can a pipe be read again");
    for (const loop of [false, 1]) assert.equal(file.check?.({ path: RECORDING, loop, to: 2000 }), undefined);
    assert.equal(file.check?.({ path: RECORDING, loop: true }), undefined);
  });

  it("ends when told to stop while it waits for the rest of a frame", async () => {
    const whole = readFileSync(
      await made("stalls.ts", ..."-f lavfi -i testsrc=duration=20 -pix_fmt yuv420p".split(" ")),
    );
    const server = createServer((_, response) => void response.write(whole.subarray(0, whole.length / 2)));
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { context, stop, close } = testContext({ slots: 2 });
    const path = `http://127.0.0.1:${(server.address() as AddressInfo).port}/stalls.ts`;
    let lastMs = Number.POSITIVE_INFINITY;
    const ended = lastValueFrom(
      file.open({ path }, context).pipe(
        tap((frame) => {
          lastMs = performance.now();
          frame.release();
        }),
      ),
    );
    while (performance.now() - lastMs < 1000) await sleep(50);
    stop();
    await ended;
    await close();
    server.closeAllConnections();
    server.close();
  });

  it("keeps a variable frame rate", async () => {
    const select = "select='not(mod(n,3))+lt(n,10)'";
    const path = await made("vfr.mkv", "-f", "lavfi", "-i", "testsrc=rate=25:duration=2", "-vf", select);
    const times = (await read({ path })).map(({ mediaTimeMs }) => mediaTimeMs);
    const kept = Array.from({ length: 50 }, (_, n) => n).filter((n) => n % 3 === 0 || n < 10);
    assert.deepEqual(
      times,
      kept.map((n) => n * 40),
    );
  });

  it("reads odd sizes and 10 bits", async () => {
    const odd = await made(
      "odd.mkv",
      "-f",
      "lavfi",
      "-i",
      "testsrc=size=321x241:duration=0.2",
      "-c:v",
      "ffv1",
      "-pix_fmt",
      "yuv444p",
    );
    assert.equal((await read({ path: odd }))[0]?.size, "321x241");
    const grey = ["-f", "lavfi", "-i", "color=gray:size=64x64:duration=0.2"];
    const eight = await made("8.mkv", ...grey, "-c:v", "ffv1", "-pix_fmt", "yuv420p");
    const ten = await made("10.mkv", ...grey, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le");
    const [a, b] = [
      (await read({ path: eight }))[0]?.middle ?? 0,
      (await read({ path: ten }))[0]?.middle ?? 0,
    ];
    assert.ok(Math.abs(a - b) <= 1, `${a} and ${b}`);
  });
});
