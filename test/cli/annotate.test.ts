import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { jobsOf } from "#src/cli/annotate-files.js";
import type { EmotionEvent } from "#src/events/event.js";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { endLastPicture } from "#src/media/mp4.js";
import { testContext } from "../support/context.js";
import { onMachine } from "../support/machine.js";
import { RECORDING } from "../support/pictures.js";
import { hasFfprobe, make, probe } from "../support/probe.js";
import { tinyOnnx, tinyWeights, writeTinyModel } from "../support/tiny-model.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const SUBTITLES = fileURLToPath(new URL("../../pipelines/subtitles.yaml", import.meta.url));
const { path: FFMPEG } = await findFfmpeg();

describe("pipeline annotate", function () {
  this.timeout(120_000);
  let made: string;
  let folder: string;
  before(async function () {
    if (!hasFfprobe) this.skip(); // ffprobe is not installed
    made = mkdtempSync(join(tmpdir(), "ekspresi-"));
    await make(join(made, "man.mp4"), "-i", RECORDING, "-t", "1", "-preset", "ultrafast");
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    copyFileSync(join(made, "man.mp4"), join(folder, "man.mp4"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  after(() => made && rmSync(made, { recursive: true, force: true }));

  function start(...args: string[]) {
    const child = spawn(process.execPath, [MAIN, "annotate", ...args], {
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stderr }));
    return { child, ended };
  }

  /** Hashes of all video packets. */
  function pictures(path: string): string {
    const args = ["-v", "error", "-select_streams", "v", "-show_packets", "-show_data_hash", "md5"];
    return execFileSync("ffprobe", [...args, "-show_entries", "packet=data_hash", "-of", "csv", path], {
      encoding: "utf8",
    });
  }

  it("writes the annotated recording next to the input, and redoes it only on request", async () => {
    const first = await start("man.mp4").ended;
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /man\.mp4 -> man\.annotated\.mp4: 25 frames, \d+ detections of 1 face,/);
    assert.deepEqual(probe(join(folder, "man.annotated.mp4")).times, probe(join(folder, "man.mp4")).times);
    const again = await start("man.mp4").ended;
    assert.equal(again.code, 0);
    assert.match(again.stderr, /already done \(man\.annotated\.mp4\); use --force to redo it/);
    assert.match((await start("man.mp4", "--force").ended).stderr, /25 frames/);
  });

  it("starts no ffmpeg if all is done", async function () {
    if (process.platform === "win32") this.skip(); // no shell scripts
    assert.equal((await start("man.mp4", "-q").ended).code, 0);
    const script = join(folder, "ffmpeg.sh");
    writeFileSync(script, `#!/bin/sh\necho "$@" >> "$0.log"\nexec "${FFMPEG}" "$@"\n`, { mode: 0o755 });
    const env = { ...process.env, EKSPRESI_FFMPEG: script };
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [MAIN, "annotate", "man.mp4", ...args], {
        cwd: folder,
        env,
        encoding: "utf8",
      });
    assert.match(run().stderr, /already done/);
    assert(!existsSync(`${script}.log`));
    assert.equal(run("--force").status, 0);
    assert(existsSync(`${script}.log`));
  });

  it("copies every stream unchanged with --soft and adds labels that can be switched off", async () => {
    const source = join(folder, "man.mp4");
    const sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=1"];
    const copied = async (name: string, codec: string) => {
      const tone = await make(join(folder, name), "-i", source, ...sound, "-c:v", "copy", "-c:a", "aac");
      const { code, stderr } = await start(name, "--soft", "-o", `soft-${name}`).ended;
      assert.equal(code, 0, stderr);
      const [before, after] = [probe(tone), probe(join(folder, `soft-${name}`))];
      assert.deepEqual(
        after.streams.map(({ codec_name }) => codec_name),
        [...before.streams.map(({ codec_name }) => codec_name), codec],
      );
      assert.deepEqual(after.times, before.times);
      assert.deepEqual(after.sound, before.sound);
      assert.equal(pictures(tone), pictures(join(folder, `soft-${name}`)));
      const said = execFileSync(
        FFMPEG,
        ["-v", "error", "-i", `soft-${name}`, "-map", "0:s:0", "-f", "srt", "-"],
        {
          cwd: folder,
          encoding: "utf8",
        },
      );
      assert.match(
        said,
        /00:00:00,0\d\d --> 00:00:0\d,\d+\n.*#1 (happy|neutral|sad|angry|fear|surprise|disgust) \d+ %/,
      );
    };
    await Promise.all([copied("tone.mp4", "mov_text"), copied("tone.mkv", "ass")]);
    assert.deepEqual(readdirSync(folder).sort(), [
      "man.mp4",
      "soft-tone.mkv",
      "soft-tone.mp4",
      "tone.mkv",
      "tone.mp4",
    ]);
  });

  it("shows the last picture as long as before with --soft", async () => {
    await endLastPicture(join(folder, "man.mp4"), 3, true);
    const long = await make(join(folder, "long.mkv"), "-i", join(folder, "man.mp4"), "-c", "copy");
    assert.equal(probe(long).durationSeconds, 3.96);
    for (const output of ["soft.mkv", "soft.mp4"]) {
      assert.equal((await start("long.mkv", "--soft", "-q", "-o", output).ended).code, 0);
      assert.equal(probe(join(folder, output)).durationSeconds, 3.96, output);
    }
  });

  it("keeps cover pictures as such with --soft, also in Matroska", async () => {
    const [cover, text] = [join(folder, "face.jpg"), join(folder, "notes.txt")];
    await make(cover, "-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1");
    writeFileSync(text, "notes");
    const man = ["-i", join(folder, "man.mp4")];
    const attached = (file: string, n: number, type: string) => [
      "-attach",
      file,
      `-metadata:s:t:${n}`,
      `mimetype=${type}`,
    ];
    const files = [...attached(cover, 0, "image/jpeg"), ...attached(text, 1, "text/plain")];
    await make(join(folder, "man.mkv"), ...man, "-c", "copy", ...files);
    const input = [...man, "-i", cover, "-map", "0", "-map", "1", "-c", "copy"];
    await make(join(folder, "cover.mp4"), ...input, "-disposition:v:1", "attached_pic");
    const kept = async (name: string) => {
      assert.equal((await start(name, "--soft", "-q", "-o", `soft-${name}.mkv`).ended).code, 0);
      const entries = "stream=codec_type:stream_disposition=attached_pic:stream_tags=filename,mimetype";
      const args = ["-v", "error", "-show_entries", entries, "-of", "csv=p=0", `soft-${name}.mkv`];
      return execFileSync("ffprobe", args, { cwd: folder, encoding: "utf8" }).trim().split("\n");
    };
    const own = ["video,0", "subtitle,0", "video,1,cover.jpg,image/jpeg"];
    assert.deepEqual(await kept("cover.mp4"), own);
    assert.deepEqual(await kept("man.mkv"), [
      ...own.slice(0, 2),
      "attachment,0,notes.txt,text/plain",
      ...own.slice(2),
    ]);
    assert(!readdirSync(folder).some((name) => name.includes("part")));
  });

  it("adds an empty track with --soft where there are no faces", async () => {
    const annotated = async (name: string) => {
      await make(
        join(folder, name),
        "-f",
        "lavfi",
        "-i",
        "color=size=160x120:duration=0.4",
        "-c:v",
        "libx264",
      );
      const { code, stderr } = await start(name, "--soft", "-o", `soft-${name}`).ended;
      assert.equal(code, 0, stderr);
      const codecs = probe(join(folder, `soft-${name}`)).streams.map(({ codec_type }) => codec_type);
      assert.deepEqual(codecs, ["video", "subtitle"]);
    };
    await Promise.all(["nobody.mp4", "nobody.mkv"].map(annotated));
  });

  it("writes events, subtitles and a table next to it, and makes them again if one is missing", async () => {
    const beside = ["--soft", "--events", "--vtt", "--csv"];
    const first = await start("man.mp4", ...beside).ended;
    assert.equal(first.code, 0, first.stderr);
    const made = ["csv", "jsonl", "mp4", "vtt"].map((ending) => `man.soft.${ending}`);
    assert.deepEqual(readdirSync(folder).sort(), ["man.mp4", ...made]);
    const read = (ending: string) => readFileSync(join(folder, `man.soft.${ending}`), "utf8");
    const events = read("jsonl")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as EmotionEvent);
    assert.deepEqual([events[0]?.data.kind, events.at(-1)?.data.kind], ["appeared", "left"]);
    assert.equal(read("csv").trim().split("\r\n").length, 1 + events.length);
    assert.match(read("vtt"), /^WEBVTT\n\n00:00:00\.0\d\d --> .*\n#1 \w+ \d+ %\n/);
    assert.match((await start("man.mp4", ...beside).ended).stderr, /already done/);
    rmSync(join(folder, "man.soft.csv"));
    assert.equal((await start("man.mp4", "--soft", "--csv", "-q").ended).code, 0);
    assert.deepEqual(readdirSync(folder).sort(), ["man.mp4", ...made]);
  });

  it("gives the output of --soft its own name", async () => {
    assert.equal((await start("man.mp4", "-q").ended).code, 0);
    const drawn = readFileSync(join(folder, "man.annotated.mp4"));
    assert.match((await start("man.mp4", "--soft").ended).stderr, /man\.mp4 -> man\.soft\.mp4/);
    assert.deepEqual(readFileSync(join(folder, "man.annotated.mp4")), drawn);
    assert.match((await start("man.mp4", "--soft").ended).stderr, /already done \(man\.soft\.mp4\)/);
  });

  it("redoes output made with other options or from another recording", async () => {
    await make(join(folder, "short.mp4"), "-i", join(folder, "man.mp4"), "-t", "0.4", "-c", "copy");
    const other = ["short.mp4", "-o", "out.mp4", "--set", "operators.smooth.halfLife=1s"];
    assert.equal((await start("short.mp4", "-o", "out.mp4", "-q").ended).code, 0);
    assert.match(
      (await start(...other).ended).stderr,
      /out\.mp4 was made with other settings or from another input; making it again/,
    );
    assert.match((await start(...other).ended).stderr, /already done/);
    assert.match((await start("man.mp4", "-o", "out.mp4").ended).stderr, /was made with other settings/);
  });

  it("does not mistake extra files of an earlier run for finished ones", async () => {
    await make(join(folder, "short.mp4"), "-i", join(folder, "man.mp4"), "-t", "0.4", "-c", "copy");
    assert.equal((await start("short.mp4", "--csv", "-q").ended).code, 0);
    assert.match((await start("short.mp4").ended).stderr, /already done/);
    const other = ["short.mp4", "--set", "operators.smooth.halfLife=1s"];
    assert.equal((await start(...other, "-q").ended).code, 0);
    assert.match((await start(...other, "--csv").ended).stderr, /short\.annotated\.csv: 10 frames/);
  });

  it("replaces a file it did not make only when forced, and says so", async () => {
    await make(join(folder, "mine.mp4"), "-i", join(folder, "man.mp4"), "-t", "0.4", "-c", "copy");
    const mine = readFileSync(join(folder, "mine.mp4"));
    const { code, stderr } = await start("man.mp4", "-o", "mine.mp4").ended;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: mine\.mp4 already exists, but was not made, or not completed, by `annotate`; replace it with --force, /,
    );
    assert.deepEqual(readFileSync(join(folder, "mine.mp4")), mine);
    assert.equal((await start("man.mp4", "-o", "mine.mp4", "--force", "-q").ended).code, 0);
    assert.equal(probe(join(folder, "mine.mp4")).times.length, 25);
  });

  it("replaces no file next to its output that it did not make, and no folder", async () => {
    const mine = join(folder, "man.annotated.vtt");
    writeFileSync(mine, "mine");
    const { code, stderr } = await start("man.mp4", "--events", "--vtt").ended;
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: man\.annotated\.vtt: already there, but without man\.annotated\.mp4 `annotate` cannot tell whether it made this; remove it, /,
    );
    assert.equal(readFileSync(mine, "utf8"), "mine");
    assert.equal((await start("man.mp4", "--vtt", "--force", "-q").ended).code, 0);
    assert.match(readFileSync(mine, "utf8"), /^WEBVTT/);
    writeFileSync(join(folder, "man.annotated.csv"), "mine");
    rmSync(join(folder, "man.annotated.mp4"));
    const kept = await start("man.mp4", "--vtt", "--csv").ended;
    assert.match(kept.stderr, /^error: man\.annotated\.vtt, man\.annotated\.csv: already there, /);
    mkdirSync(join(folder, "out.mp4", "man.mp4"), { recursive: true });
    const folders = await start("man.mp4", "--out-dir", "out.mp4").ended;
    assert.match(folders.stderr, /^error: out\.mp4\/man\.mp4 already exists, but was not made, /);
  });

  it("can be run again after a full disk, whatever had already been written", async () => {
    if (process.platform === "win32") return;
    const full = spawnSync(
      "sh",
      ["-c", `ulimit -f 8; exec "$0" "$@"`, process.execPath, MAIN, "annotate", "man.mp4", "--vtt"],
      {
        cwd: folder,
        encoding: "utf8",
      },
    );
    assert.equal(full.status, 1, full.stderr);
    assert.match(full.stderr, /man\.annotated\.mp4 cannot be written/);
    assert.equal(existsSync(join(folder, "man.annotated.vtt")), false, "complete, but its recording is not");
    const table = join(folder, "man.annotated.part.csv");
    mkdirSync(table); // takes the place of the file that would be written
    const beside = await start("man.mp4", "--vtt", "--csv").ended;
    assert.equal(beside.code, 1);
    assert.match(beside.stderr, /man\.annotated\.csv cannot be written/);
    rmSync(table, { recursive: true });
    const again = await start("man.mp4", "--vtt", "--csv").ended;
    assert.equal(again.code, 0, again.stderr);
    assert.match((await start("man.mp4", "--vtt", "--csv").ended).stderr, /already done/);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.includes("part")),
      [],
    );
  });

  it("logs nothing but JSON with --json: what was skipped, done and wrong", async () => {
    const args = ["man.mp4", "nothing.mp4", "--json"];
    const logged = async () =>
      (await start(...args, "--out-dir", "out").ended).stderr
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { message: string }).message);
    assert.match((await logged()).join("\n"), /^\[1\/2\] man\.mp4 -> out\/man\.mp4: 25 frames/m);
    const again = (await logged()).join("\n");
    assert.match(again, /^\[1\/2\] man\.mp4: already done/m);
    assert.match(again, /^1 of 2 failed:\n {2}nothing\.mp4: .*no such file/m);
    const { stderr } = await start("nothing.mp4", "--json").ended;
    assert.equal((JSON.parse(stderr) as { message: string }).message, "nothing.mp4: no such file");
  });

  it("uses a custom model relative to the working directory, even after it was retrained", async () => {
    const own = (bias: number) =>
      writeTinyModel(join(folder, "runs/tiny"), tinyOnnx(tinyWeights().map((weight) => weight + bias)));
    await own(0);
    const args = ["man.mp4", "--model", "./runs/tiny", "--events"];
    const first = await start(...args).ended;
    assert.equal(first.code, 0, first.stderr);
    const [line = ""] = readFileSync(join(folder, "man.annotated.jsonl"), "utf8").split("\n");
    assert.equal((JSON.parse(line) as EmotionEvent).data.model.name, "tiny");
    assert.match((await start(...args).ended).stderr, /already done/);
    await own(0.01);
    assert.match((await start(...args).ended).stderr, /made with other settings/);
    const none = await start("man.mp4", "--model", "tiny").ended;
    assert.equal(none.code, 2);
    assert.match(none.stderr, /^--model: classify: model tiny: not found; /);
  });

  it("continues after a bad file and ends with a list and exit code 1", async () => {
    writeFileSync(join(folder, "bad.mp4"), "no recording");
    const { code, stderr } = await start("*.mp4", "no\u001bthing.mp4", "--out-dir", "out").ended;
    assert.equal(code, 1);
    assert.match(stderr, /2 of 3 failed:\n {2}bad\.mp4: .*\n {2}no\ufffdthing\.mp4: .*no such file/);
    assert.deepEqual(readdirSync(join(folder, "out")), ["man.mp4"]);
  });

  it("refuses two recordings whose results differ only in case on Windows and macOS", async () => {
    const jobs = (platform: NodeJS.Platform) =>
      onMachine({ platform }, () =>
        jobsOf(["day/door.mp4", "night/Door.mp4"], { outDir: "seen" }, testContext().context.log),
      );
    for (const platform of ["win32", "darwin"] as const)
      await assert.rejects(
        jobs(platform),
        /^ConfigError: day\/door\.mp4 and night\/Door\.mp4 would both be written to/,
      );
    assert.equal((await jobs("linux")).length, 2);
  });

  it("takes a recording once, however often it is named", async () => {
    const { log } = testContext().context;
    const names = ["man.mp4", "*.mp4", "./man.mp4"].map((name) => join(folder, name));
    const jobs = await jobsOf([...names, `${folder}/./man.mp4`], {}, log);
    assert.deepEqual(
      jobs.map(({ input }) => input),
      [join(folder, "man.mp4")],
    );
  });

  it("reports wrong usage and exits with 2", async () => {
    linkSync(join(folder, "man.mp4"), join(folder, "MAN.mp4")); // as on a case-insensitive file system
    const hides = readFileSync(SUBTITLES, "utf8").replace(
      "- { type: smooth }",
      "- { type: smooth }\n  - { type: blur }",
    );
    writeFileSync(join(folder, "blur.yaml"), hides);
    const wrong: [args: string[], answer: RegExp][] = [
      [["man.mp4", "-o", "man.mp4"], /would overwrite its input/],
      [["man.mp4", "-o", "MAN.mp4", "--soft"], /would overwrite its input/],
      [["man.mp4", RECORDING, "-o", "x.mp4"], /--output takes one file/],
      [["man.mp4", "-o", "."], /^--output \.: it is a folder; give a file name$/m],
      [["man.mp4", "--out-dir", "man.mp4"], /^--out-dir man\.mp4: it is a file; give a folder$/m],
      [
        ["man.mp4", "-o", "man.mp4/x/seen.mp4"],
        /^--output man\.mp4\/x\/seen\.mp4 cannot be written: a part of its path is a file; choose another$/m,
      ],
      [["*.avi"], /no file matches/],
      [["nowhere.mp4"], /^nowhere\.mp4: no such file$/m],
      [["rtsp://me:hunter2@door/1"], /rtsp:\/\/me:\*\*\*@door\/1: annotate only takes files/],
      [["man.mp4", "--soft", "--set", "sources.recording.to=1s"], /--soft needs the whole recording/],
      [["man.mp4", "--soft", "--codec", "libx264"], /--codec: --soft does not encode anything/],
      [["man.mp4", "--soft", "-o", "x.vtt"], /x\.vtt: the name must end in \.mp4/],
      [
        ["man.mp4", "--soft", "-p", "blur.yaml"],
        /--soft copies the video unchanged, so `blur` could not hide any faces/,
      ],
      [["man.mp4", "--codec", "h263"], /^--codec: ffmpeg \S+ has no video encoder `h263`.*it has .*libx264/m],
      [
        ["man.mp4", "--codec", "libx264", "--set", "sinks.video.preset=nonsense"],
        /^--codec: the video encoder `libx264` does not work here with -preset nonsense/m,
      ],
      [["man.mp4", "--model", "./nowhere"], /^--model: model \S+nowhere: folder not found; give the folder/m],
      [["man.mp4", "--quality", "high"], /^--quality: video: `quality` is "high"; it must be /m],
      [["man.mp4", "--quality", ""], /^--quality: video: `quality` is ""; it must be /m],
      [["man.mp4", "-o", "{x}.mp4"], /^\{x\}\.mp4: braces are placeholders/m],
      [["man.mp4", "-o", "x.avi"], /^x\.avi: the name must end in \.mp4/m],
    ];
    // A few at a time: each mostly waits for its one thread.
    const left = [...wrong];
    const checkRest = async () => {
      for (let next = left.pop(); next; next = left.pop()) {
        const [args, answer] = next;
        const { code, stderr } = await start(...args).ended;
        assert.equal(code, 2, stderr);
        assert.equal(stderr.trim().split("\n").length, 1, stderr);
        assert.match(stderr, answer);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, checkRest));
    assert.deepEqual(readdirSync(folder).sort(), ["MAN.mp4", "blur.yaml", "man.mp4"]);
  });

  it("reports a full disk in one line, exits with 1, and gives no file its final name", async function () {
    const small = join(folder, "small");
    mkdirSync(small);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=8k", "tmpfs", small]).status !== 0) this.skip(); // needs root
    try {
      const { code, stderr } = await start("man.mp4", "-o", "small/out.mp4", "-q").ended;
      assert.equal(code, 1, stderr);
      assert.match(stderr, /small\/out\.mp4 cannot be written: the disk is full/);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
      assert(!existsSync(join(small, "out.mp4")));
    } finally {
      spawnSync("umount", [small]);
    }
  });

  it("leaves only the .part file when killed, which the next run replaces", async () => {
    const { child, ended } = start(RECORDING, "-o", "out.mp4");
    while (!existsSync(join(folder, "out.part.mp4"))) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGKILL");
    await ended;
    assert(!existsSync(join(folder, "out.mp4")));
    const { code, stderr } = await start("man.mp4", "-o", "out.mp4").ended;
    assert.equal(code, 0, stderr);
    assert.equal(probe(join(folder, "out.mp4")).times.length, 25);
    assert(!existsSync(join(folder, "out.part.mp4")));
  });
});
