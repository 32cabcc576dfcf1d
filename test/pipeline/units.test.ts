import assert from "node:assert/strict";
import fc from "fast-check";
import Schema from "typebox/schema";
import {
  parseBytes,
  parseDuration,
  parseLength,
  parseRate,
  parseSize,
  pixelsOf,
} from "#src/pipeline/quantities.js";
import { Bytes, Duration, Length, Rate, Size } from "#src/pipeline/units.js";

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
    const bytes = { B: 1, kB: 1e3, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
    for (const [unit, size] of Object.entries(bytes)) assert.equal(parseBytes(`2${unit}`), 2 * size, unit);
    assert.equal(parseBytes("0.3B"), 0);
    assert.equal(parseBytes(512), 512);
    assert.equal(parseRate("30000/1001"), 30_000 / 1001);
    assert.equal(parseRate(15), 15);
    assert.equal(parseRate(1e-7), 1e-7);
    assert.equal(parseRate("0"), undefined);
  });

  it("are accepted in pipeline files within their limits", () => {
    const description = "";
    for (const [unit, right, wrong] of [
      [Rate({ description }), ["15", "29.97", 0.5, "30000/1001"], ["0", "0.0", "0/1", "5/0", "15/", 0]],
      [Length({ description }), ["100%", "99.5%", "4000px", 0], ["101%", "100.1%", "999%", -1]],
      [Size({ description }), ["9999x1"], ["10000x1", "0x1", "1x10000", 640]],
      [Duration({ description }), ["1.5s", 0], ["1.s", "-1s", -1]],
      [Bytes({ description }), ["1.5GiB", 0], ["1.5TB", "-1B", -1]],
    ] as const) {
      const schema = Schema.Compile(unit);
      for (const value of right) assert.ok(schema.Check(value), String(value));
      for (const value of wrong) assert.ok(!schema.Check(value), String(value));
    }
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
