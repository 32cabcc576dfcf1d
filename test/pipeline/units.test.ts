import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseBytes,
  parseDuration,
  parseLength,
  parseRate,
  parseSize,
  pixelsOf,
} from "#src/pipeline/quantities.js";
import { Rate } from "#src/pipeline/units.js";

const amount = fc.integer({ min: 0, max: 100_000 });

describe("units", () => {
  it("convert durations to milliseconds", () => {
    fc.assert(
      fc.property(amount, (n) => {
        assert.equal(parseDuration(n), n);
        assert.equal(parseDuration(`${n}ms`), n);
        assert.equal(parseDuration(`${n}s`), n * 1000);
        assert.equal(parseDuration(`${n}m`), n * 60_000);
        assert.equal(parseDuration(`${n}h`), n * 3_600_000);
        assert.equal(parseDuration(`${n}d`), n * 86_400_000);
      }),
    );
    assert.equal(parseDuration("1.5s"), 1500);
  });

  it("convert lengths to pixels or a share of the smaller side", () => {
    fc.assert(
      fc.property(amount, (n) => {
        assert.deepEqual(parseLength(`${n}px`), parseLength(n));
        assert.deepEqual(parseLength(`${n}%`), { unit: "%", value: n });
      }),
    );
    assert.equal(pixelsOf({ unit: "%", value: 10 }, 1920, 1080), 108);
    assert.equal(pixelsOf({ unit: "%", value: 10 }, 1080, 1920), 108);
    assert.equal(pixelsOf({ unit: "px", value: 80 }, 1920, 1080), 80);
  });

  it("convert sizes, bytes and rates", () => {
    assert.deepEqual(parseSize("1280x720"), { width: 1280, height: 720 });
    assert.equal(parseBytes("10MB"), 10_000_000);
    assert.equal(parseBytes("1GiB"), 2 ** 30);
    assert.equal(parseBytes(512), 512);
    assert.equal(parseRate("30000/1001"), 30_000 / 1001);
    assert.equal(parseRate(15), 15);
    const rate = new RegExp(JSON.parse(JSON.stringify(Rate({ description: "" }))).anyOf[0].pattern);
    for (const text of ["15", "29.97", "0.5", "30000/1001"]) assert.match(text, rate);
    for (const text of ["0", "0.0", "0/1", "5/0", "15/"]) assert.doesNotMatch(text, rate);
  });

  it("are rejected if invalid", () => {
    for (const parse of [parseDuration, parseLength, parseSize, parseBytes, parseRate])
      for (const wrong of [
        "",
        "x",
        "1 s",
        "-1",
        "1e3q",
        "s",
        "%",
        "0x0",
        "1/0",
        null,
        undefined,
        {},
        Number.NaN,
        -1,
      ])
        assert.equal(parse(wrong), undefined, `${parse.name}(${String(wrong)})`);
  });
});
