import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  type PathLike,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { Spool } from "#src/sinks/nats/spool.js";
import { onMachine, withFiles } from "../../support/machine.js";

const SIZE = 64 * 1024;
const recordOf = (n: number) => Buffer.from(`record ${n} ${"x".repeat(n % 50)}`);

describe("the spool", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const open = (maxBytes = SIZE) => Spool.open("nats", folder, { maxBytes });
  const readAll = (spool: Spool) => {
    const read: string[] = [];
    for (let record = spool.next(); record; record = spool.next())
      read.push(`${record.number} ${record.bytes}`);
    return read;
  };
  const expected = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${from + i} ${recordOf(from + i)}`);
  const segments = () =>
    readdirSync(folder)
      .filter((name) => name.endsWith(".spool"))
      .sort();
  /** Bytes of records on disk. */
  const used = () => segments().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);

  it("returns records in order, even after a restart, without delivered ones", async () => {
    const first = await open();
    for (let n = 1; n < 200; n++) assert.equal(first.append(recordOf(n)), n);
    assert.deepEqual(readAll(first), expected(1, 200));
    first.delivered(120);
    first.close();
    const second = await open();
    assert.deepEqual([second.first, second.end], [120, 200]);
    second.append(recordOf(200));
    assert.deepEqual(readAll(second), expected(120, 201));
    second.rewind();
    assert.deepEqual(readAll(second), expected(120, 201));
    second.close();
  });

  it("leaves a file that another program holds on Windows to the next start", async () => {
    const spool = await open();
    for (let n = 1; n < 10; n++) spool.append(recordOf(n));
    const unlinkSync = () => {
      throw Object.assign(new Error("EBUSY"), { code: "EBUSY" });
    };
    await withFiles({ unlinkSync }, () =>
      onMachine({ platform: "win32" }, () => {
        spool.delivered(10);
        spool.close();
      }),
    );
    assert.equal(segments().length, 1);
    const next = await open();
    assert.deepEqual([next.first, next.end, readAll(next)], [10, 10, []]);
    next.close();
    assert.deepEqual(segments(), []);
  });

  it("continues numbering after everything was delivered, and leaves no records behind", async () => {
    const first = await open();
    for (let n = 1; n < 10; n++) first.append(recordOf(n));
    first.delivered(10);
    first.close();
    assert.deepEqual(segments(), []);
    const second = await open();
    assert.equal(second.append(recordOf(10)), 10);
    assert.deepEqual(readAll(second), expected(10, 11));
    second.close();
  });

  it("continues with new records after everything was delivered", async () => {
    const spool = await open();
    spool.append(recordOf(1));
    assert.deepEqual(readAll(spool), expected(1, 2));
    spool.delivered(2);
    assert.equal(segments().length, 1, "not a new file for each record");
    spool.rewind();
    spool.append(recordOf(2));
    assert.deepEqual(readAll(spool), expected(2, 3));
    spool.close();
  });

  it("behaves like a list under any sequence of operations", async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ do: fc.constant("append" as const), n: fc.integer({ min: 1, max: 40 }) }),
      },
      {
        weight: 3,
        arbitrary: fc.record({ do: fc.constant("read" as const), n: fc.integer({ min: 1, max: 60 }) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant("deliver" as const), n: fc.integer({ min: 1, max: 60 }) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const), n: fc.constant(0) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("rewind" as const), n: fc.constant(0) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const), n: fc.constant(0) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        rmSync(folder, { recursive: true });
        let spool = await open(4096);
        let [first, position, end] = [1, 1, 1];
        for (const { do: what, n } of steps) {
          if (what === "append") {
            for (let i = 0; i < n; i++) {
              if (!spool.hasRoom(recordOf(end))) break;
              assert.equal(spool.append(recordOf(end)), end);
              end++;
            }
          } else if (what === "read") {
            for (let i = 0; i < n; i++) {
              const record = spool.next();
              assert.equal(
                record && `${record.number} ${record.bytes}`,
                position < end ? `${position} ${recordOf(position)}` : undefined,
              );
              if (record) position++;
            }
          } else if (what === "deliver") {
            first = Math.min(first + n, position);
            spool.delivered(first);
          } else if (what === "drop") {
            const now = spool.dropOldest();
            assert(now >= first && now <= end && (now > first || first === end));
            first = now;
            position = Math.max(position, first);
          } else {
            if (what === "reopen") {
              spool.close();
              spool = await open(4096);
            } else spool.rewind();
            position = first;
          }
          assert.deepEqual([spool.first, spool.position, spool.end], [first, position, end]);
          const room = 4096 - used();
          assert.equal(spool.hasRoom(Buffer.alloc(Math.max(0, room - 8))), room >= 8 || first === end);
          assert.equal(spool.hasRoom(Buffer.alloc(Math.max(0, room - 7))), first === end);
        }
        spool.close();
      }),
      { numRuns: 60 },
    );
  });

  it("is full at its size, frees space, and accepts a record larger than itself once empty", async () => {
    const spool = await open(4096);
    let n = 1;
    while (spool.hasRoom(recordOf(n))) spool.append(recordOf(n++));
    assert(used() <= 4096 && used() > 4000, String(used()));
    while (spool.next());
    spool.delivered(n);
    assert(spool.hasRoom(Buffer.alloc(10_000)));
    spool.append(Buffer.alloc(10_000, "y"));
    assert(!spool.hasRoom(recordOf(1)));
    assert.equal(spool.next()?.bytes.length, 10_000);
    spool.close();
  });

  it("removes a partially written record", async () => {
    const first = await open();
    for (let n = 1; n < 5; n++) first.append(recordOf(n));
    first.close();
    const path = join(folder, segments()[0] ?? "");
    const whole = readFileSync(path).length;
    for (const torn of [1, 7, 8, 12]) {
      writeFileSync(path, readFileSync(path).subarray(0, whole));
      const tail = Buffer.alloc(20);
      tail.writeUInt32LE(500, 0);
      appendFileSync(path, tail.subarray(0, torn));
      const spool = await open();
      assert.equal(spool.damagedBytes, torn);
      assert.deepEqual(readAll(spool), expected(1, 5));
      spool.close();
      assert.equal(readFileSync(path).length, whole);
    }
  });

  it("skips and counts a record whose bytes have changed, and returns all others", async () => {
    const first = await open();
    for (let n = 1; n < 300; n++) first.append(recordOf(n));
    first.close();
    const path = join(folder, segments()[1] ?? "");
    const bytes = readFileSync(path);
    const start = Number(segments()[1]?.slice(0, 16));
    const length = bytes.readUInt32LE(0);
    bytes.writeUInt8(bytes.readUInt8(12) ^ 1, 12);
    writeFileSync(path, bytes);
    const spool = await open();
    assert.equal(spool.damagedBytes, length + 8);
    assert.deepEqual(readAll(spool), [...expected(1, start), ...expected(start + 1, 300)]);
    spool.close();
  });

  it("starts at the oldest record if it is unknown what was delivered", async () => {
    const first = await open();
    for (let n = 1; n < 300; n++) first.append(recordOf(n));
    first.delivered(150);
    first.close();
    const oldest = Number(segments()[0]?.slice(0, 16));
    assert(oldest > 1 && oldest < 150, String(oldest));
    const cursor = join(folder, "delivered");
    const bytes = readFileSync(cursor);
    for (const damaged of [bytes.subarray(0, 5), bytes.with(1, 1)]) {
      writeFileSync(cursor, damaged);
      const spool = await open();
      assert.deepEqual([spool.first, spool.end], [oldest, 300]);
      assert.deepEqual(readAll(spool), expected(oldest, 300));
      spool.close();
    }
  });

  it("keeps no part of a record for which the disk had no room", async () => {
    const spool = await open();
    spool.append(recordOf(1));
    const before = used();
    const real = writeSync;
    const half = (fd: number, bytes: Uint8Array, _from: number, _length: number, at: number) =>
      real(fd, bytes, 0, 10, at);
    await withFiles({ writeSync: half as typeof writeSync }, () =>
      assert.throws(() => spool.append(recordOf(2)), { code: "SINK_WRITE", message: /the disk is full$/ }),
    );
    assert.equal(used(), before);
    assert.equal(spool.append(recordOf(2)), 2);
    assert.deepEqual(readAll(spool), expected(1, 3));
    spool.close();
  });

  it("deletes what has been delivered when the disk has no room", async () => {
    const spool = await open();
    spool.delivered(spool.append(recordOf(1)) + 1);
    const real = { writeSync, unlinkSync };
    let full = true;
    const files = {
      writeSync: ((...args: [number, Uint8Array, number, number, number]) => {
        if (full) throw Object.assign(new Error("full"), { code: "ENOSPC" });
        return real.writeSync(...args);
      }) as typeof writeSync,
      unlinkSync: (path: PathLike) => {
        full = false;
        real.unlinkSync(path);
      },
    };
    await withFiles(files, () => assert.equal(spool.append(recordOf(2)), 2));
    assert.deepEqual(readAll(spool), expected(2, 3));
    spool.close();
  });

  it("can be read by nobody else", async function () {
    if (process.platform === "win32") this.skip(); // it has no such permissions
    const spool = await open();
    spool.append(recordOf(1));
    assert.equal(statSync(join(folder, segments()[0] ?? "")).mode & 0o777, 0o600);
    spool.close();
  });

  it("uses no number twice if a power failure left fewer records than were delivered", async () => {
    const first = await open();
    for (let n = 1; n < 11; n++) first.append(recordOf(n));
    first.delivered(6);
    first.close();
    const path = join(folder, segments()[0] ?? "");
    truncateSync(path, 8 + readFileSync(path).readUInt32LE(0)); // only the first record is left
    const spool = await open();
    assert.equal(spool.append(recordOf(6)), 6);
    assert.deepEqual(readAll(spool), expected(6, 7));
    spool.close();
  });

  it("is locked by one process, and unlocked if that is killed", async () => {
    const spool = await open();
    const child = () =>
      spawn(process.execPath, ["--input-type=module", "-e", CHILD, folder], {
        stdio: ["ignore", "pipe", "inherit"],
        cwd: fileURLToPath(new URL("../../..", import.meta.url)),
      });
    const said = async (process: ReturnType<typeof child>) =>
      String((await once(process.stdout, "data"))[0]).trim();
    const refused = child();
    assert.equal(
      await said(refused),
      `nats: another process uses ${join(folder, "lock")}; give each pipeline its own \`spool.path\``,
    );
    await once(refused, "exit");
    spool.close();
    const holder = child();
    assert.equal(await said(holder), "open");
    await assert.rejects(open(), { code: "SINK_LOCKED" });
    holder.kill("SIGKILL");
    await once(holder, "exit");
    (await open()).close();
  });

  it("is not left locked if it cannot be opened", async () => {
    const path = join(folder, `${"1".padStart(16, "0")}.spool`);
    mkdirSync(path);
    await assert.rejects(open(), { code: "SINK_OPEN" });
    rmdirSync(path);
    (await open()).close();
  });

  it("reports an unusable folder", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    await assert.rejects(Spool.open("nats", join(file, "spool"), { maxBytes: SIZE }), {
      code: "SINK_OPEN",
      message: `nats: the spool ${join(file, "spool")} cannot be opened: a part of its path is a file`,
    });
  });
});

const CHILD = `
import { Spool } from "#src/sinks/nats/spool.js";
try {
  await Spool.open("nats", process.argv[1], { maxBytes: 65536 });
  console.log("open");
  setInterval(() => {}, 1000);
} catch (error) {
  console.log(error.message);
}`;
