import assert from "node:assert/strict";
import fc from "fast-check";
import { Pieces } from "#src/bytes.js";
import { EmotionData, EmotionEvent } from "#src/events/event.js";
import { putData, putEvent } from "#src/events/json.js";

const share = fc.oneof(
  fc.integer({ min: 0, max: 10_000 }).map((part) => part / 10_000),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.constantFrom(0, -0, 1, 1e-7, 0.00005),
);
const length = fc.oneof(
  share,
  fc.double(),
  fc.integer(),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY),
);
const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.constantFrom('"', "\\", "\ud800", "\u2028\n"),
);
const shares = fc.dictionary(text, share);
const box = fc.record({ x: length, y: length, width: length, height: length });
const count = fc.integer({ min: 0, max: 1e9 });
const kind = fc.constantFrom("appeared" as const, "changed" as const, "sample" as const, "left" as const);

const data: fc.Arbitrary<EmotionData> = fc.record(
  {
    pipeline: text,
    camera: text,
    track: count,
    kind,
    label: text,
    confidence: share,
    probabilities: shares,
    raw: shares,
    box,
    relativeBox: box,
    frame: count,
    picture: text,
    mediaTimeMs: length,
    sinceMs: length,
    model: fc.record({ name: text, version: text }),
    purpose: text,
    retention: text,
  },
  {
    requiredKeys: [
      ...(["pipeline", "camera", "track", "kind", "label", "confidence", "probabilities", "box"] as const),
      ...(["relativeBox", "frame", "mediaTimeMs", "sinceMs", "model"] as const),
    ],
  },
);
const event: fc.Arbitrary<EmotionEvent> = fc.record({
  specversion: fc.constant("1.0" as const),
  id: text,
  source: text,
  type: text,
  subject: text,
  time: text,
  datacontenttype: fc.constant("application/json" as const),
  data,
});
/** Fields in schema order, whatever their order in the event. */
function ordered<T extends object>(value: T, keys: readonly string[]): T {
  return Object.fromEntries(keys.flatMap((key) => (key in value ? [[key, value[key as keyof T]]] : []))) as T;
}
const DATA = Object.keys(EmotionData.properties);
const EVENT = Object.keys(EmotionEvent.properties);

describe("an event's JSON", () => {
  it("equals the output of JSON.stringify with the fields in schema order", () => {
    const seen = new Set<string>();
    const pieces = new Pieces();
    const kept: [Buffer, string][] = [];
    fc.assert(
      fc.property(event, (given) => {
        const whole = ordered({ ...given, data: ordered(given.data, DATA) }, EVENT);
        for (const key of [...Object.keys(whole), ...Object.keys(whole.data)]) seen.add(key);
        const written = pieces.take((to, at) => putEvent(to, at, whole));
        assert.equal(written.toString(), JSON.stringify(whole));
        assert.equal(
          pieces.take((to, at) => putData(to, at, whole.data)).toString(),
          JSON.stringify(whole.data),
        );
        kept.push([written, JSON.stringify(whole)]);
      }),
      { numRuns: 500 },
    );
    for (const [written, json] of kept) assert.equal(written.toString(), json, "written over since");
    assert.deepEqual([...seen].sort(), [...new Set([...DATA, ...EVENT])].sort());
  });
});
