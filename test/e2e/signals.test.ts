import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { RECORDING } from "../support/pictures.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

describe("pipeline run, for long and to its end", function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A pipeline that looks for large faces now and then: quick, so that thousands of frames pass. */
  function fileOf(sources: string, { path = "events.jsonl", on = "change" } = {}) {
    const file = join(folder, "p.yaml");
    writeFileSync(
      file,
      `version: 1
name: test
sources: [${sources}]
operators:
  - { type: detect, minSize: 40%, every: 25 }
  - { type: track }
  - { type: classify }
  - { type: smooth }
  - { type: events, on: ${on}, interval: 1ms }
sinks: [{ type: jsonl, path: "${path}" }]
`,
    );
    return file;
  }

  function start(
    sources: string,
    { flags = [], ...rest }: Parameters<typeof fileOf>[1] & { flags?: string[] } = {},
  ) {
    const child = spawn(process.execPath, [MAIN, "run", fileOf(sources, rest), ...flags], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stderr }));
    return { child, ended, said: () => stderr };
  }
  const summaryOf = (stderr: string) =>
    JSON.parse(stderr.split("\n").find((line) => line.includes('"summary"')) ?? "{}") as {
      sources: { id: string; decoded: number }[];
      events: number;
      sinks: { written: number; lost: number }[];
      peakRssBytes: number;
    };
  const lines = () => readFileSync(join(folder, "events.jsonl"), "utf8").split("\n").slice(0, -1);

  it("takes no more memory for 10,000 frames than for 1,300", async function () {
    this.timeout(300_000);
    const peaks: number[] = [];
    for (const loop of [1, 8]) {
      const { ended } = start(`{ type: file, path: ${RECORDING}, loop: ${loop} }`, { flags: ["--json"] });
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
      const { sources, peakRssBytes } = summaryOf(stderr);
      assert.equal(sources[0]?.decoded, 1337 * loop);
      peaks.push(peakRssBytes / 2 ** 20);
    }
    const [short = 0, long = 0] = peaks;
    assert.ok(long < short + 48, `${short.toFixed(0)} MB, then ${long.toFixed(0)} MB`);
  });

  it("runs several recordings together, a missing one among them: the others end, and it exits with 1", async () => {
    const { ended } = start(
      `{ id: a, type: file, path: ${RECORDING}, to: 4s }, { id: b, type: file, path: nothing.mp4 }, { id: c, type: file, path: ${RECORDING}, from: 10s, to: 12s }`,
      { flags: ["--json"] },
    );
    const { code, stderr } = await ended;
    assert.equal(code, 1);
    assert.match(stderr, /source b: .*nothing\.mp4: no such file/);
    const { sources } = summaryOf(stderr);
    assert.deepEqual(
      sources.map(({ decoded }) => decoded),
      [100, 0, 50],
    );
    const cameras = lines().map((line) => JSON.parse(line).data.camera);
    assert.ok(cameras.includes("a") && cameras.includes("c"));
  });

  for (const [what, signals] of [
    ["SIGTERM", ["SIGTERM"]],
    ["a closed terminal, of which both the system and the shell may tell,", ["SIGHUP", "SIGHUP"]],
  ] as const)
    it(`on ${what} writes every event of what is under way, and exits with 0`, async () => {
      const { child, ended } = start(`{ type: file, path: ${RECORDING}, loop: true }`, { flags: ["--json"] });
      while (!existsSync(join(folder, "events.jsonl")) || lines().length < 3)
        await new Promise((resolve) => setTimeout(resolve, 20));
      for (const signal of signals) child.kill(signal);
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
      const { events, sinks } = summaryOf(stderr);
      assert.equal(lines().length, events);
      assert.deepEqual(sinks, [{ id: "jsonl", written: events, lost: 0 }]);
    });

  it("ends by itself though its terminal is gone, which makes Node abort", async function () {
    if (spawnSync("script", ["-qec", "true", "/dev/null"], { stdio: "ignore" }).status !== 0)
      return this.skip();
    const node = `${process.execPath} ${MAIN} run ${fileOf(`{ type: file, path: ${RECORDING}, loop: true }`)}`;
    const code = join(folder, "code");
    // As a shell does: it passes on that the terminal was closed.
    const shell = `trap 'kill -HUP $run' HUP; ${node} & run=$!; wait $run; wait $run; echo $? > ${code}`;
    const terminal = spawn("script", ["-qec", shell, "/dev/null"], { stdio: ["ignore", "ignore", "ignore"] });
    while (!existsSync(join(folder, "events.jsonl")) || lines().length < 3) await sleep(20);
    terminal.kill("SIGKILL");
    while (!existsSync(code) || readFileSync(code, "utf8") === "") await sleep(20);
    assert.equal(readFileSync(code, "utf8").trim(), "0");
    assert.match(lines().at(-1) ?? "", /"kind":"left"/);
  });

  it("stops cleanly when `timeout` ends it, which sends its signal twice", async function () {
    if (process.platform !== "linux") this.skip();
    const file = fileOf("{ type: test, fps: 10 }");
    const run = spawn("timeout", ["3", process.execPath, MAIN, "run", "--json", file], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true, // its process group is ours otherwise
    });
    let stderr = "";
    run.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    await once(run, "close");
    assert.match(stderr, /stopping/);
    assert.match(stderr, /"ending":"stopped"/, stderr);
  });

  it("holds the recording back while nobody reads; a second SIGINT ends it all the same, with 130", async () => {
    const { child, ended, said } = start(`{ type: file, path: ${RECORDING}, loop: true }`, {
      path: "-",
      on: "sample",
    });
    child.stdout.pause();
    await once(child.stdout, "readable");
    await sleep(3000); // until the pipe is full
    child.kill("SIGINT");
    while (!said().includes("stopping")) await sleep(20);
    await sleep(100); // two at the same moment count as one
    child.kill("SIGINT");
    child.stdout.destroy();
    const { code, stderr } = await ended;
    assert.equal(code, 130, stderr);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });
});
