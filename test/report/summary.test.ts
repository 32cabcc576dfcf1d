import assert from "node:assert/strict";
import type { Seen } from "#src/report/read.js";
import { Summary, summarise } from "#src/report/summary.js";
import { eventOf } from "../support/event.js";

const DAY_MS = Date.parse("2026-01-01T00:00:00Z");

/** An event of a recording whose run began at midnight. */
function seen(mediaTimeMs: number, data: Partial<Seen["data"]> = {}, more: Partial<Seen> = {}): Seen {
  return {
    input: 0,
    timeMs: DAY_MS + mediaTimeMs,
    data: { ...eventOf(1).data, mediaTimeMs, ...data },
    ...more,
  };
}

function summaryOf(events: readonly Seen[], inputs?: readonly string[], clock: "wall" | "media" = "media") {
  const summary = new Summary(clock, inputs);
  for (const event of events) summary.add(event);
  return summary;
}

const byLabel = (summary: Summary) =>
  Object.fromEntries(summary.labels.map((label, i) => [label, summary.totals()[i] ?? 0]));

describe("the summary of events", () => {
  it("counts a label until the track's next event, and the changes between", () => {
    const summary = summaryOf([
      seen(0, { kind: "appeared", label: "happy" }),
      seen(1000, { kind: "sample", label: "happy" }),
      seen(1500, { kind: "changed", label: "neutral" }),
      seen(4000, { kind: "left", label: "neutral" }),
    ]);
    assert.deepEqual(byLabel(summary), { happy: 1500, neutral: 2500 });
    assert.equal(summary.changes.flat().length, 1);
    assert.equal(summary.changes[0]?.[1], 1);
    assert.deepEqual([summary.tracks, summary.events, summary.fromMs, summary.toMs], [1, 4, 0, 4000]);
    assert.equal(summary.cameras.get("door")?.totalMs, 4000);
  });

  it("does not hold a face over the gap between two runs in one file", () => {
    const summary = summaryOf([
      seen(0, { kind: "appeared" }),
      seen(1000, { kind: "sample" }), // killed here
      seen(5000, { kind: "appeared" }),
      seen(6000, { kind: "left" }),
    ]);
    assert.deepEqual([summary.tracks, byLabel(summary).happy], [2, 2000]);
  });

  it("follows a track from one file of a rotated run into the next, but not into another run's", () => {
    const first = [seen(0, { kind: "appeared" }), seen(1000, { kind: "sample" })];
    const second = (atMs: number) => [
      seen(2000, { kind: "sample" }, { input: 1, timeMs: atMs + 2000 }),
      seen(3000, { kind: "left" }, { input: 1, timeMs: atMs + 3000 }),
    ];
    const rotated = summaryOf([...first, ...second(DAY_MS)], ["a", "b"], "wall");
    assert.deepEqual([rotated.tracks, byLabel(rotated).happy], [1, 3000]);
    const other = summaryOf([...first, ...second(DAY_MS + 60_000)], ["a", "b"], "wall");
    assert.deepEqual([other.tracks, byLabel(other).happy], [2, 2000]);
  });

  it("tells the cameras of several recordings apart by the names of their files", () => {
    const summary = summaryOf([seen(0), seen(0, {}, { input: 1 })], ["lobby", "hall"]);
    assert.deepEqual([...summary.cameras.keys()], ["lobby door", "hall door"]);
  });

  it("covers the cells where a face was, and knows the shape of the picture", () => {
    const box = { x: 0, y: 0, width: 100, height: 50 };
    const relativeBox = { x: 0, y: 0, width: 0.5, height: 0.5 };
    const summary = summaryOf([seen(0, { box, relativeBox }), seen(1000, { kind: "left" })]);
    const camera = summary.cameras.get("door");
    assert.equal(camera?.aspect, 2);
    assert.equal(camera?.heat[0], 1000);
    assert.equal(camera?.heat.at(-1), 0);
  });

  it("takes the recording's clock where there is one, else the time of day", async () => {
    const clockFor = async (times: readonly { mediaTimeMs: number; timeMs: number }[]) => {
      async function* events() {
        for (const { mediaTimeMs, timeMs } of times) yield [seen(mediaTimeMs, {}, { timeMs })];
      }
      return (await summarise(events(), ["a"])).clock;
    };
    const steps = Array.from({ length: 300 }, (_, i) => i * 40);
    const recording = steps.map((ms) => ({ mediaTimeMs: ms + 0.3, timeMs: DAY_MS + ms }));
    assert.equal(await clockFor(recording), "media");
    assert.equal(
      await clockFor([...recording, ...recording.map((e) => ({ ...e, timeMs: e.timeMs + 60_000 }))]),
      "media",
    );
    const camera = steps.map((ms, i) => ({ mediaTimeMs: ms, timeMs: DAY_MS + ms + ((i * 7) % 23) }));
    assert.equal(await clockFor(camera), "wall");
    assert.equal(await clockFor([]), "wall");
  });

  it("stays small whatever comes: labels, cameras, tracks and names without end", () => {
    const summary = new Summary("wall");
    for (let n = 0; n < 20_000; n++)
      summary.add(
        seen(n, {
          kind: "appeared",
          track: n,
          camera: `camera ${n}`,
          label: `label ${n} ${"x".repeat(300)}`,
          model: { name: `model ${n}`, version: "1" },
        }),
      );
    assert.equal(summary.tracks, 20_000);
    assert(summary.labels.length <= 25, `${summary.labels.length} labels`);
    assert(summary.cameras.size <= 201, `${summary.cameras.size} cameras`);
    assert(summary.models.size <= 8);
    assert(summary.longestTracks().length <= 40);
    assert.equal(summary.table().length, 200);
    assert(summary.labels.every((label) => label.length <= 80));
  });
});
