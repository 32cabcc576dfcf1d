import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { RECORDING } from "../support/pictures.js";
import { hasFfprobe, make, probe } from "../support/probe.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

describe("pipeline annotate", function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(async function () {
    if (!hasFfprobe) this.skip(); // ffprobe is not installed
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    await make(join(folder, "man.mp4"), "-i", RECORDING, "-t", "1", "-preset", "ultrafast");
  });
  afterEach(() => folder && rmSync(folder, { recursive: true, force: true }));

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

  it("makes the annotated recording beside the input, and does not make it again unless told to", async () => {
    const first = await start("man.mp4").ended;
    assert.equal(first.code, 0, first.stderr);
    assert.match(first.stderr, /man\.mp4 -> man\.annotated\.mp4: 25 frames, \d+ faces/);
    assert.deepEqual(probe(join(folder, "man.annotated.mp4")).times, probe(join(folder, "man.mp4")).times);
    const again = await start("man.mp4").ended;
    assert.equal(again.code, 0);
    assert.match(again.stderr, /done already \(man\.annotated\.mp4\); --force does it again/);
    assert.match((await start("man.mp4", "--force").ended).stderr, /25 frames/);
  });

  it("goes on after a bad file and ends with a list and exit code 1", async () => {
    writeFileSync(join(folder, "bad.mp4"), "no recording");
    const { code, stderr } = await start("*.mp4", "nothing.mp4", "--out-dir", "out").ended;
    assert.equal(code, 1);
    assert.match(stderr, /2 of 3 failed:\n {2}bad\.mp4: .*\n {2}nothing\.mp4: .*no such file/);
    assert.deepEqual(readdirSync(join(folder, "out")), ["man.mp4"]);
  });

  it("says what is wrong with the usage, and exits with 2", async () => {
    const wrong = async (...args: string[]) => {
      const { code, stderr } = await start(...args).ended;
      assert.equal(code, 2, stderr);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
      return stderr;
    };
    assert.match(await wrong("man.mp4", "-o", "man.mp4"), /would replace it/);
    assert.match(await wrong("man.mp4", RECORDING, "-o", "x.mp4"), /--output names one file/);
    assert.match(await wrong("*.avi"), /no file matches/);
    assert.match(await wrong("man.mp4", "--codec", "h263"), /no video encoder `h263`.*it has .*libx264/);
  });

  it("on a full disk says so in one line, exits with 1, and gives nothing the final name", async function () {
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

  it("when killed leaves only the .part file, which the next run replaces", async () => {
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
