import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import { EmotionEvent } from "#src/events/event.js";
import { RECORDING } from "../support/pictures.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

describe("pipeline run", function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function pipeline(options: { source?: string; batch?: number; sink?: string } = {}): string {
    const { source = `path: ${RECORDING}, to: 12s`, batch = 32, sink = "path: events.jsonl" } = options;
    const file = join(folder, "p.yaml");
    writeFileSync(
      file,
      `version: 1
name: test
purpose: a test of everything
retention: 1d
sources: [{ id: man, type: file, ${source} }]
operators:
  - { type: detect, minSize: 20% }
  - { type: track }
  - { type: classify, batch: { size: ${batch} } }
  - { type: smooth }
  - { type: events, on: both }
sinks: [{ type: jsonl, ${sink} }]
`,
    );
    return file;
  }

  const start = (file: string): ChildProcess =>
    spawn(process.execPath, [MAIN, "run", file], { stdio: ["ignore", "pipe", "pipe"] });

  async function ended(child: ChildProcess): Promise<Ended> {
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (text) => (stdout += text));
    child.stderr?.on("data", (text) => (stderr += text));
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    return { code, signal, stdout, stderr };
  }

  const eventsOf = (name = "events.jsonl"): EmotionEvent[] =>
    readFileSync(join(folder, name), "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as EmotionEvent);

  it("finds the man in the recording and follows his expression", async () => {
    const { code, stderr } = await ended(start(pipeline()));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /man: 300 frames/);
    const events = eventsOf();
    const valid = new Ajv({ strict: false, formats: { "date-time": true } }).compile(EmotionEvent);
    for (const event of events) {
      assert.ok(valid(event), JSON.stringify(valid.errors));
      assert.deepEqual([event.data.purpose, event.data.retention], ["a test of everything", "1d"]);
    }
    assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
    // One man, in view all the time: one face carries nearly all of the samples.
    const samples = events.filter(({ data }) => data.kind === "sample");
    const his = samples.filter(({ data }) => data.track === 1);
    assert.ok(his.length >= 11, `${his.length} samples of him`);
    for (const { data } of his) {
      assert.ok(data.box.width > 80 && data.box.width < 200);
      assert.equal(data.mediaTimeMs, data.frame * 40);
    }
    assert.equal(events.filter(({ data }) => data.kind === "left" && data.track === 1).length, 1);
  });

  it("gives the same events whatever the batch size", async () => {
    const strip = (events: EmotionEvent[]) => events.map(({ id, data }) => ({ id, data }));
    await ended(start(pipeline({ batch: 1 })));
    const one = strip(eventsOf());
    rmSync(join(folder, "events.jsonl"));
    await ended(start(pipeline({ batch: 7 })));
    assert.deepEqual(strip(eventsOf()), one);
  });

  it("finishes what is under way on SIGINT and exits 0", async () => {
    const child = start(pipeline({ source: `path: ${RECORDING}, loop: true` }));
    const end = ended(child);
    await until(() => existsSync(join(folder, "events.jsonl")) && eventsOf().length > 2);
    child.kill("SIGINT");
    const { code, stderr } = await end;
    assert.equal(code, 0, stderr);
    assert.equal(eventsOf().at(-1)?.data.kind, "left");
  });

  it("leaves only whole lines when killed, and goes on after them", async () => {
    const file = pipeline({ source: `path: ${RECORDING}, loop: true` });
    const child = start(file);
    const end = ended(child);
    await until(() => existsSync(join(folder, "events.jsonl")) && eventsOf().length > 2);
    child.kill("SIGKILL");
    assert.equal((await end).signal, "SIGKILL");
    const before = eventsOf().length;
    writeFileSync(
      join(folder, "events.jsonl"),
      `${readFileSync(join(folder, "events.jsonl"), "utf8")}{"torn`,
    );
    await ended(start(pipeline({ source: `path: ${RECORDING}, to: 3s` })));
    assert.ok(eventsOf().length > before);
  });

  it("stops with exit 1 on a full disk and says how many events were not written", async function () {
    if (!existsSync("/dev/full")) this.skip();
    const { code, stderr } = await ended(start(pipeline({ sink: "path: /dev/full" })));
    assert.equal(code, 1);
    assert.match(stderr, /\/dev\/full cannot be written: the disk is full/);
    assert.match(stderr, /[1-9]\d* NOT written/);
    assert.doesNotMatch(stderr, /\n\s+at /);
  });

  it("stops with exit 1 when its reader goes", async () => {
    const child = start(pipeline({ sink: "path: '-'" }));
    const end = ended(child);
    child.stdout?.once("data", () => child.stdout?.destroy());
    const { code, stderr } = await end;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /reader of standard output closed the pipe/);
  });

  it("goes on when nobody reads its log any more", async () => {
    const child = spawn(process.execPath, [MAIN, "run", pipeline(), "--json"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.destroy();
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.equal(eventsOf().at(-1)?.data.kind, "left");
  });

  it("goes on when the disk that takes its log is full", async function () {
    if (!existsSync("/dev/full")) this.skip();
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [MAIN, "run", pipeline()], { stdio: ["ignore", "ignore", full] });
    closeSync(full);
    assert.deepEqual(await once(child, "close"), [0, null]);
    assert.equal(eventsOf().at(-1)?.data.kind, "left");
  });

  for (const [name, content, message] of [
    ["is no video", "just text\n", /Invalid data|cannot be played/],
    ["is empty", "", /the file is empty/],
  ] as const)
    it(`says in one line that a file ${name}`, async () => {
      writeFileSync(join(folder, "x.mp4"), content);
      const { code, stderr } = await ended(start(pipeline({ source: "path: x.mp4" })));
      assert.equal(code, 1);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /\n\s+at /);
    });

  it("delivers what a truncated recording still holds", async () => {
    const whole = readFileSync(RECORDING);
    // The index of this mp4 stands at its end: without it nothing can be read, and that is said.
    writeFileSync(join(folder, "x.mp4"), whole.subarray(0, whole.length / 2));
    const { code, stderr } = await ended(start(pipeline({ source: "path: x.mp4" })));
    assert.ok(code === 1 ? /source man: /.test(stderr) : /man: \d+ frames/.test(stderr), stderr);
  });
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 50));
}
