import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EmotionData } from "#src/events/event.js";
import { eventOf } from "../support/event.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const lineOf = (n: number, data: Partial<EmotionData> = {}) => `${JSON.stringify(eventOf(n, data))}\n`;

describe("pipeline report", function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    writeFileSync(
      join(folder, "lobby.jsonl"),
      lineOf(1, { kind: "appeared" }) + lineOf(50) + lineOf(100, { kind: "left" }),
    );
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function start(...args: string[]) {
    return spawn(process.execPath, [MAIN, "report", ...args], {
      cwd: folder,
      stdio: ["pipe", "pipe", "pipe"],
    });
  }

  async function report(args: readonly string[], input = "") {
    const child = start(...args);
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdin.on("error", () => {}); // it may never be read
    child.stdin.end(input);
    const [code] = (await once(child, "close")) as [number];
    return { code, stdout, stderr };
  }

  it("picks the format by file name, and writes to standard output without one", async () => {
    for (const [name, begin] of [
      ["page.html", "<!doctype html>"],
      ["text.md", "# Lobby"],
      ["deep/table.csv", "time,camera,"],
    ] as const) {
      const { code, stdout, stderr } = await report(["lobby.jsonl", "-o", name, "--title", "Lobby"]);
      assert.deepEqual([code, stdout, stderr], [0, "", `${name}: 3 events\n`]);
      assert(readFileSync(join(folder, name), "utf8").startsWith(begin), name);
    }
    const page = await report(["lobby.jsonl", "-q"]);
    assert.match(page.stdout, /^<!doctype html>/);
    assert.equal(page.stderr, "");
    assert.match((await report(["lobby.jsonl", "--format", "csv"])).stdout, /^time,.*\r\n(.*\r\n){3}$/);
    assert.deepEqual(readdirSync(folder).sort(), ["deep", "lobby.jsonl", "page.html", "text.md"]);
  });

  it("writes to a pipe or a device instead of replacing it", async function () {
    if (process.platform === "win32") this.skip(); // no named pipes in folders
    const pipe = join(folder, "pipe.md");
    execFileSync("mkfifo", [pipe]);
    const reader = spawn("cat", [pipe]);
    let read = "";
    reader.stdout.on("data", (chunk: Buffer) => {
      read += chunk.toString();
    });
    const closed = once(reader, "close");
    assert.equal((await report(["lobby.jsonl", "-o", "pipe.md"])).code, 0);
    assert(statSync(pipe).isFIFO());
    await closed;
    assert.match(read, /^# Expression report\n/);
    assert.deepEqual(readdirSync(folder).sort(), ["lobby.jsonl", "pipe.md"]);
  });

  it("reads standard input, several files, and patterns", async () => {
    writeFileSync(join(folder, "hall.jsonl"), lineOf(7));
    const piped = await report(["-", "lobby.jsonl", "--format", "csv"], lineOf(1) + lineOf(2));
    assert.equal(piped.stdout.trim().split("\r\n").length, 1 + 5);
    const pattern = await report(["*.jsonl", "--format", "md"]);
    assert.match(pattern.stdout, /^4 events, 2 tracks/m);
  });

  it("reports, counts and skips lines that are not events, and fails if there are no events at all", async () => {
    writeFileSync(join(folder, "cut.jsonl"), `${lineOf(1)}no\n${lineOf(2)}${lineOf(3).slice(0, 40)}`);
    const { code, stdout, stderr } = await report(["cut.jsonl", "--format", "md"]);
    assert.equal(code, 0);
    assert.match(
      stderr,
      /^cut\.jsonl:2: skipped: not JSON.*\ncut\.jsonl:4: skipped: .*\n2 events; 2 lines skipped\n$/,
    );
    assert.match(stdout, /2 lines skipped: not events/);
    writeFileSync(join(folder, "many.jsonl"), `${lineOf(1)}${"{}\n".repeat(1000)}`);
    assert.equal((await report(["many.jsonl", "-o", "a.md"])).stderr.trim().split("\n").length, 5 + 1 + 1);
    writeFileSync(join(folder, "notes.txt"), "dear diary\n");
    const none = await report(["notes.txt", "-o", "none.html"]);
    assert.equal(none.code, 1);
    assert.match(
      none.stderr,
      /^notes\.txt: no emotion events in 1 line \(the first: not JSON[^\n]*\); give a file written by a `jsonl` sink\n$/,
    );
    assert(!existsSync(join(folder, "none.html")));
  });

  it("distinguishes recordings of the same name by their folders", async () => {
    for (const [folderName, day] of [
      ["mon", 5],
      ["tue", 6],
    ] as const) {
      mkdirSync(join(folder, folderName));
      const lines = [1, 2].map((n) =>
        JSON.stringify({ ...eventOf(n), time: new Date(Date.UTC(2026, 0, day) + n * 40).toISOString() }),
      );
      writeFileSync(join(folder, folderName, "door.jsonl"), lines.join("\n"));
    }
    const { stdout } = await report(["mon/door.jsonl", "tue/door.jsonl", "--format", "md", "-q"]);
    assert.match(stdout, /^\| mon\/door door \| 2 \| 1 \|/m);
    assert.match(stdout, /^\| tue\/door door \| 2 \| 1 \|/m);
  });

  it("reports how many events have probabilities without a column", async () => {
    const other = lineOf(2, { probabilities: { contempt: 1 } });
    const { code, stderr } = await report(["-", "-q", "--format", "csv"], lineOf(1) + other + other);
    assert.equal(code, 0);
    assert.match(stderr, /^2 events with probabilities that have no column; .*\n$/);
  });

  it("reports wrong usage in one line and exits with 2", async () => {
    linkSync(join(folder, "lobby.jsonl"), join(folder, "LOBBY.jsonl")); // as on a case-insensitive file system
    for (const [args, message] of [
      [["nothing.jsonl"], /nothing\.jsonl: no such file/],
      [["*.log"], /\*\.log: no file matches/],
      [["."], /it is a folder; give '\.\/\*\.jsonl' for the files in it/],
      [["lobby.jsonl", "-o", "a.pdf"], /a\.pdf: unknown extension; use \.html, \.md or \.csv/],
      [["lobby.jsonl", "-o", "lobby.jsonl", "--format", "md"], /the report would overwrite its input/],
      [["lobby.jsonl", "-o", "LOBBY.jsonl", "--format", "md"], /the report would overwrite its input/],
      [["-", "-"], /standard input can only be read once/],
    ] as const) {
      const { code, stderr } = await report(args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
      assert.equal(stderr.trim().split("\n").length, 1, stderr);
    }
  });

  it("ends silently when the reader closes the pipe", async () => {
    writeFileSync(join(folder, "long.jsonl"), lineOf(1).repeat(20_000));
    const child = start("long.jsonl", "--format", "csv", "-q");
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdout.once("data", () => child.stdout.destroy());
    const [code] = (await once(child, "close")) as [number];
    assert.deepEqual([code, stderr], [0, ""]);
  });

  it("writes nothing and exits with 130 when stopped by Ctrl-C", async () => {
    const child = start("-", "-o", "page.html");
    child.stdin.on("error", () => {});
    child.stdin.write(lineOf(1));
    while (!existsSync(join(folder, "page.html.part")))
      await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill("SIGINT");
    const [code] = (await once(child, "close")) as [number];
    assert.equal(code, 130);
    assert.deepEqual(readdirSync(folder), ["lobby.jsonl"]);
  });

  it("reports a full disk in one line, exits with 1, and leaves nothing behind", async function () {
    const small = join(folder, "small");
    mkdirSync(small);
    if (spawnSync("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", small]).status !== 0) this.skip(); // needs root
    try {
      const { code, stderr } = await report(["lobby.jsonl", "-o", "small/page.html", "-q"]);
      assert.deepEqual([code, stderr], [1, "small/page.html cannot be written: the disk is full\n"]);
      assert.deepEqual(readdirSync(small), []);
    } finally {
      spawnSync("umount", [small]);
    }
  });
});
