import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { readEvents } from "#src/report/read.js";
import { eventOf } from "../support/event.js";

const lineOf = (n: number) => JSON.stringify(eventOf(n, { camera: "Tür, 門" }));

/** Media times of the events read, and places and reasons of the lines skipped. */
async function read(...inputs: (string | Readable)[]) {
  const named = inputs.map((from, i) => ({ name: `input${i}`, from }));
  const broken: string[] = [];
  const times: number[] = [];
  const onBroken = (place: string, why: string) => broken.push(`${place}: ${why}`);
  for await (const events of readEvents(named, { onBroken }))
    times.push(...events.map(({ data }) => data.mediaTimeMs));
  return { times, broken };
}

const stream = (...chunks: (string | Buffer)[]) => Readable.from(chunks.map((chunk) => Buffer.from(chunk)));

describe("reading events", () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "ekspresi-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it("yields the same events however the bytes are chunked, even within characters", async () => {
    const bytes = Buffer.from(`${lineOf(1)}\n\n${lineOf(2)}\r\n${lineOf(3)}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: bytes.length }), { maxLength: 8 }),
        async (cuts) => {
          const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
          const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
          const { times, broken } = await read(stream(...chunks.filter(({ length }) => length > 0)));
          assert.deepEqual(times, [40, 80, 120]);
          assert.deepEqual(broken, []);
        },
      ),
      { numRuns: 50 },
    );
  });

  it("reports a truncated last line and other lines that are not events, and continues", async () => {
    const odd = (change: object) =>
      JSON.stringify({ ...eventOf(1), data: { ...eventOf(1).data, ...change } });
    const lines = [
      lineOf(1),
      "{}",
      '"text"',
      odd({ confidence: 2 }),
      JSON.stringify({ ...eventOf(1), data: { ...eventOf(1).data, pipeline: undefined } }),
      odd({ kind: "gone" }),
      odd({ kind: { toString: 1 } }),
      odd({ mediaTimeMs: { valueOf: 1, toString: 1 } }),
      odd({ box: { x: 1 } }),
      odd({ mediaTimeMs: 1e300 }),
      JSON.stringify({ ...eventOf(1), time: "soon" }),
      lineOf(2),
      lineOf(3).slice(0, 100),
    ];
    const { times, broken } = await read(stream(lines.join("\n")));
    assert.deepEqual(times, [40, 80]);
    assert.deepEqual(broken, [
      "input0:2: not an emotion event: `data` is missing",
      "input0:3: not an emotion event: `data` is missing",
      "input0:4: `data.confidence` is not between 0 and 1",
      "input0:5: `data.pipeline` is not a string",
      "input0:6: `data.kind` is not one of appeared, changed, sample, left",
      "input0:7: `data.kind` is not one of appeared, changed, sample, left",
      "input0:8: `data.mediaTimeMs` is not a time",
      "input0:9: `data.box` is not a box",
      "input0:10: `data.mediaTimeMs` is not a time",
      "input0:11: `time` is not a date",
      "input0:13: not JSON (truncated?)",
    ]);
  });

  it("skips the byte order mark that Windows editors write", async () => {
    const marked = Buffer.from(`\uFEFF${lineOf(1)}\n${lineOf(2)}\n`);
    const { times, broken } = await read(stream(marked), stream(marked.subarray(0, 2), marked.subarray(2)));
    assert.deepEqual([times, broken], [[40, 80, 40, 80], []]);
  });

  it("reads what Windows PowerShell wrote in UTF-16", async () => {
    const text = Buffer.from(`\uFEFF${lineOf(1)}\r\n${lineOf(2)}\r\n`, "utf16le");
    const { times, broken } = await read(stream(text.subarray(0, 101), text.subarray(101)));
    assert.deepEqual([times, broken], [[40, 80], []]);
  });

  it("does not buffer an endless line", async () => {
    const endless = Array.from({ length: 40 }, () => Buffer.alloc(1 << 17, "x"));
    const { times, broken } = await read(stream(`${lineOf(1)}\n`, ...endless, `\n${lineOf(2)}\n`));
    assert.deepEqual(times, [40, 80]);
    assert.deepEqual(broken, ["input0:2: longer than 1048576 characters"]);
  });

  it("reads several inputs in order, including gzip, and stops when told to", async () => {
    const [plain, zipped] = [join(folder, "a.jsonl"), join(folder, "b.jsonl.gz")];
    writeFileSync(plain, `${lineOf(1)}\n`);
    writeFileSync(zipped, gzipSync(`${lineOf(2)}\n`));
    assert.deepEqual((await read(plain, zipped)).times, [40, 80]);
    const abort = new AbortController();
    const silent = new Readable({ read() {} });
    silent.push(`${lineOf(1)}\n`);
    let events = 0;
    for await (const some of readEvents([{ name: "-", from: silent }], { signal: abort.signal })) {
      events += some.length;
      abort.abort();
    }
    assert.equal(events, 1);
  });

  it("reports which input can no longer be read", async () => {
    const path = join(folder, "broken.jsonl.gz");
    const whole = gzipSync(Array.from({ length: 100 }, (_, i) => lineOf(i)).join("\n"));
    writeFileSync(path, whole.subarray(0, whole.length - 20));
    await assert.rejects(read(path), { code: "EVENTS_READ", message: /^input0: reading failed: / });
  });
});
