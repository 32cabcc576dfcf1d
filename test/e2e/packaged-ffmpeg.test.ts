import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { EmotionEvent } from "#src/events/event.js";
import { RECORDING } from "../support/pictures.js";
import { hasFfprobe, make, probe } from "../support/probe.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

describe("a machine without ffmpeg", function () {
  this.timeout(120_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function pipeline(args: readonly string[], env: NodeJS.ProcessEnv) {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args], {
      env: { ...process.env, EKSPRESI_FFMPEG: "", ...env },
    });
    return stdout + stderr;
  }

  /** Events of a few seconds, without what differs from run to run. */
  async function events(name: string, env: NodeJS.ProcessEnv) {
    const file = join(folder, `${name}.yaml`);
    writeFileSync(
      file,
      `version: 1
name: test
sources: [{ id: man, type: file, path: "${RECORDING}", from: 2s, to: 4s }]
operators:
  - { type: detect, minSize: 25%, every: 3 }
  - { type: track }
  - { type: classify }
  - { type: smooth }
  - { type: events, on: both, interval: 250ms }
sinks: [{ type: jsonl, path: ${name}.jsonl }]
`,
    );
    await pipeline(["run", file, "--quiet"], env);
    const lines = readFileSync(join(folder, `${name}.jsonl`), "utf8")
      .trim()
      .split("\n");
    return lines.map((line) => {
      const { id, data } = JSON.parse(line) as EmotionEvent;
      return { id, data };
    });
  }

  it("is told that the package's ffmpeg is used", async () => {
    assert.match(await pipeline(["doctor"], { PATH: "" }), /ffmpeg: .*ffmpeg-installer.*from package/);
  });

  it("does not take a folder called ffmpeg for one", async () => {
    const opt = join(folder, "opt");
    mkdirSync(join(opt, "ffmpeg"), { recursive: true });
    assert.match(await pipeline(["doctor"], { PATH: opt }), /ffmpeg: .*ffmpeg-installer.*from package/);
  });

  it("waits for a camera longer than the package's ffmpeg can", async () => {
    const file = join(folder, "camera.yaml");
    writeFileSync(
      file,
      `version: 1
sources: [{ type: rtsp, url: "rtsp://127.0.0.1:1/none", openTimeout: 1h }]
operators: [{ type: detect }, { type: track }, { type: classify }, { type: events }]
sinks: [{ type: console }]
`,
    );
    const child = spawn(process.execPath, [MAIN, "run", file], {
      env: { ...process.env, EKSPRESI_FFMPEG: "", PATH: "" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    for await (const text of child.stderr) {
      said += String(text);
      if (said.includes("trying again")) child.kill();
    }
    assert.match(said, /Connection refused/);
  });

  it("is told where the package's ffmpeg may not be run, and not that there is none", async () => {
    const preload = join(folder, "not-ours.cjs");
    writeFileSync(
      preload,
      `const { promises } = require("node:fs");
      const refuse = () => Promise.reject(Object.assign(new Error("not permitted"), { code: "EPERM" }));
      Object.assign(promises, { access: refuse, chmod: refuse });
      require("node:module").syncBuiltinESMExports();`,
    );
    const env = { ...process.env, EKSPRESI_FFMPEG: "", PATH: "", NODE_OPTIONS: `--require ${preload}` };
    const { stdout } = spawnSync(process.execPath, [MAIN, "doctor"], { env, encoding: "utf8" });
    assert.match(
      stdout,
      /ffmpeg: ffmpeg at .*ffmpeg-installer.* \(package\) is not executable and cannot be made so .*EPERM.*chmod \+x/,
    );
  });

  it("gives the same events as one with the ffmpeg on PATH", async () => {
    const packaged = await events("packaged", { PATH: "" });
    assert.ok(packaged.length >= 6, `${packaged.length} events`);
    assert.deepEqual(packaged, await events("path", {}));
  });

  it("annotates with every picture, time and length, and a level that players have", async function () {
    if (!hasFfprobe) this.skip(); // ffprobe is not installed
    const fixed = ["-t", "1", "-preset", "ultrafast"];
    const tone = ["-f", "lavfi", "-i", "sine=duration=1", "-c:a", "aac", "-shortest"];
    await make(join(folder, "fixed.mp4"), "-i", RECORDING, ...tone, ...fixed);
    const select = ["-vf", "select='not(mod(n,3))+lt(mod(n,25),9)'", "-fps_mode", "vfr"];
    await make(join(folder, "variable.mp4"), "-i", RECORDING, ...select, ...fixed);
    for (const name of ["fixed", "variable"]) {
      const file = join(folder, `${name}.mp4`);
      await pipeline(["annotate", file, "-q", "--set", "operators.detect.every=10"], { PATH: "" });
      const [before, after] = [probe(file), probe(join(folder, `${name}.annotated.mp4`))];
      assert.deepEqual(after.times, before.times);
      assert.deepEqual(after.sound, before.sound);
      // The package's counts the 1024 samples before the sound begins.
      const longer = after.durationSeconds - before.durationSeconds;
      assert(longer >= 0 && longer < 0.03, `${name}: ${longer} s longer`);
      assert.equal(Number(after.video.duration).toFixed(2), Number(before.video.duration).toFixed(2), name);
      assert((after.video.level ?? 99) <= 31, `${name}: level ${after.video.level}`);
    }
  });
});
