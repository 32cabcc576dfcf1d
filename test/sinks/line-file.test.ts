import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock } from "node:test";
import fc from "fast-check";
import { diskReason } from "#src/disk.js";
import { SinkError } from "#src/errors.js";
import { LineFile, type LineFileOptions } from "#src/sinks/line-file.js";
import { onMachine, withFiles } from "../support/machine.js";

const bytesOf = (line: string) => Buffer.from(`${line}\n`);

describe("a file of lines", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
    path = join(folder, "a", "b", "events.jsonl");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  async function append(lines: readonly string[], options: Partial<LineFileOptions> = {}): Promise<void> {
    const file = await LineFile.open("jsonl", path, { fsync: "never", ...options });
    for (const line of lines) await file.append(bytesOf(line));
    await file.close();
  }
  const text = () => readFileSync(path, "utf8");

  /** Inside `withFiles`, never around it: what that exports again would stay mocked for all tests to come. */
  async function withTimers(run: () => Promise<void>): Promise<void> {
    mock.timers.enable({ apis: ["Date", "setTimeout"] });
    try {
      await run();
    } finally {
      mock.timers.reset();
    }
  }

  it("creates its folder and appends to an existing file", async () => {
    await append(['{"n":1}', '{"n":2}']);
    await append(['{"n":3}']);
    assert.equal(text(), '{"n":1}\n{"n":2}\n{"n":3}\n');
  });

  it("has each line in the file before accepting the next", async () => {
    const file = await LineFile.open("jsonl", path, { fsync: "never" });
    void file.append(bytesOf('{"n":1}'));
    assert.equal(text(), '{"n":1}\n');
    await file.close();
  });

  for (const [fsync, wanted, last] of [
    ["never", [0, 0, 0, 0], 0],
    ["interval", [0, 0, 1, 1], 2],
    ["always", [1, 2, 3, 4], 4],
  ] as const)
    it(`syncs lines to disk as told: ${fsync}`, async () => {
      let synced = 0;
      const fsyncSync = () => void synced++;
      await withFiles({ fsyncSync }, () =>
        withTimers(async () => {
          const file = await LineFile.open("jsonl", path, { fsync });
          for (const [i, passedMs] of [999, 1, 999, 1].entries()) {
            mock.timers.tick(passedMs);
            await file.append(bytesOf("{}"));
            assert.equal(synced, wanted[i], `line ${i}`);
          }
          mock.timers.tick(1000);
          assert.equal(synced, last, "without a further line");
          await file.close();
        }),
      );
    });

  it("leaves only complete lines when the disk fills up in the middle of one", async () => {
    const file = await LineFile.open("log", path, { fsync: "never" });
    await file.append(bytesOf('{"n":1}'));
    const real = writeSync;
    const half = (fd: number, bytes: Uint8Array) => real(fd, bytes.subarray(0, 4));
    await withFiles({ writeSync: half as typeof writeSync }, async () => {
      assert.throws(() => file.append(bytesOf('{"n":2}')), /cannot be written: the disk is full/);
    });
    await file.close(); // after the truncation, which was requested before
    assert.equal(text(), '{"n":1}\n');
  });

  it("keeps all complete lines wherever an earlier run was cut off, and appends only complete lines", async () => {
    const earlier = `{"n":1}\n{"text":"${"é".repeat(40_000)}"}\n{"n":3}\n`;
    const bytes = Buffer.from(earlier);
    await append([]);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: bytes.length }), async (cut) => {
        writeFileSync(path, bytes.subarray(0, cut));
        await append(['{"n":4}']);
        const lines = text().split("\n");
        assert.equal(lines.pop(), "");
        const whole = bytes.subarray(0, cut).toString().split("\n").slice(0, -1);
        assert.deepEqual(lines.slice(0, whole.length), whole);
        assert.equal(lines.at(-1), '{"n":4}');
        for (const line of lines) JSON.parse(line);
      }),
      { numRuns: 60 },
    );
  });

  it("removes an incomplete line on Windows, which cannot truncate through an appending handle", async () => {
    await append(['{"n":1}']);
    appendFileSync(path, '{"n":');
    const handle = await open(path);
    const files = Object.getPrototypeOf(handle) as FileHandle;
    await handle.close();
    const { truncate } = files;
    files.truncate = () => Promise.reject(Object.assign(new Error("EPERM"), { code: "EPERM" }));
    try {
      await onMachine({ platform: "win32" }, () => append(['{"n":2}']));
    } finally {
      files.truncate = truncate;
    }
    assert.equal(text(), '{"n":1}\n{"n":2}\n');
  });

  it("terminates a last line that only lacks its newline", async () => {
    await append([]);
    appendFileSync(path, '{"n":1}');
    await append(['{"n":2}']);
    assert.equal(text(), '{"n":1}\n{"n":2}\n');
  });

  it("rotates before exceeding a size, without losing or duplicating lines", async () => {
    const lines = Array.from({ length: 50 }, (_, n) => JSON.stringify({ n }));
    await append(lines, { maxBytes: 64 });
    const names = readdirSync(join(folder, "a", "b"));
    assert.ok(names.length >= 7, names.join(" "));
    const parts = names.map((name) => readFileSync(join(folder, "a", "b", name), "utf8"));
    for (const part of parts) assert.ok(part.length <= 64);
    const found = parts.flatMap((part) => part.split("\n").filter(Boolean));
    assert.deepEqual(
      found.map((line) => JSON.parse(line).n).sort((a, b) => a - b),
      [...lines.keys()],
    );
  });

  it("never renames what is not a file, such as a device", async function () {
    if (process.platform === "win32") this.skip();
    const device = join(folder, "stdout"); // as /dev/stdout is, a link
    symlinkSync("/dev/null", device);
    const file = await LineFile.open("jsonl", device, { fsync: "never", maxBytes: 10, maxAgeMs: 0 });
    for (let n = 0; n < 3; n++) await file.append(bytesOf('{"n":1}'));
    await file.close();
    assert.deepEqual(readdirSync(folder), ["stdout"]);
  });

  it("writes a line longer than the size limit", async () => {
    const long = JSON.stringify({ text: "x".repeat(200) });
    await append(['{"n":1}', long, '{"n":2}'], { maxBytes: 64 });
    assert.equal(text(), '{"n":2}\n');
    assert.equal(readdirSync(join(folder, "a", "b")).length, 3);
  });

  it("rotates after a time, but never leaves an empty file behind", async () => {
    await append(['{"n":1}', '{"n":2}'], { maxAgeMs: 0 });
    assert.equal(text(), '{"n":2}\n');
    assert.equal(readdirSync(join(folder, "a", "b")).length, 2);
  });

  it("rotates again only after as long once more", async () => {
    mock.timers.enable({ apis: ["Date"] });
    try {
      const file = await LineFile.open("jsonl", path, { fsync: "never", maxAgeMs: 1000 });
      for (const passedMs of [999, 1, 999, 1]) {
        mock.timers.tick(passedMs);
        await file.append(bytesOf("{}"));
      }
      await file.close();
    } finally {
      mock.timers.reset();
    }
    const sizes = readdirSync(join(folder, "a", "b")).map(
      (name) => readFileSync(join(folder, "a", "b", name), "utf8").length,
    );
    assert.deepEqual(sizes.sort(), [3, 3, 6]);
  });

  it("reports at the next line, or at the end, that lines could not be synced", async () => {
    const fsyncSync = () => {
      throw Object.assign(new Error("EIO: i/o error, fsync"), { code: "EIO" });
    };
    await withFiles({ fsyncSync }, () =>
      withTimers(async () => {
        const file = await LineFile.open("jsonl", path, { fsync: "interval" });
        await file.append(bytesOf("{}"));
        mock.timers.tick(1000);
        const failure = { code: "SINK_WRITE", message: /^jsonl: .*events\.jsonl cannot be written: EIO/ };
        assert.throws(() => file.append(bytesOf("{}")), failure);
        await assert.rejects(file.close(), failure);
      }),
    );
  });

  it("reports which sink cannot write where, and why", async () => {
    writeFileSync(join(folder, "plain"), "");
    await assert.rejects(
      LineFile.open("log", join(folder, "plain", "x.jsonl"), { fsync: "never" }),
      (error) => error instanceof SinkError && /^log: .*x\.jsonl cannot be written: /.test(error.message),
    );
    await assert.rejects(LineFile.open("log", folder, { fsync: "never" }), /it is a folder/);
  });

  it("reports on Windows that another program has the file open", async () => {
    const reason = (code: string) => diskReason(Object.assign(new Error("busy or not permitted"), { code }));
    for (const code of ["EBUSY", "EPERM"]) {
      assert.match(
        await onMachine({ platform: "win32" }, () => reason(code)),
        /another program has it open$/,
      );
      assert.equal(await onMachine({ platform: "linux" }, () => reason(code)), "busy or not permitted");
    }
  });

  it("reports that the disk is full", async function () {
    if (process.platform !== "linux") this.skip(); // needs /dev/full
    const file = await LineFile.open("log", "/dev/full", { fsync: "never" });
    assert.throws(() => file.append(bytesOf("{}")), /log: \/dev\/full cannot be written: the disk is full/);
    await file.close();
  });
});
