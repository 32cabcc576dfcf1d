import assert from "node:assert/strict";
import type { Seen } from "#src/report/read.js";
import { Summary, summarise } from "#src/report/summary.js";
import { eventOf } from "../support/event.js";

const DAY_MS = Date.parse("2026-01-01T00:00:00Z");

/** An event of a recording whose run started at midnight. */
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
  Object.fromEntries(summary.labels.map((label, i) => [label, summary.shares().amounts[i] ?? 0]));

describe("the summary of events", () => {
  it("counts a label until the track's next event, and changes between labels", () => {
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
    assert.equal(summary.cameras[0]?.totalMs, 4000);
  });

  it("names the models, if they have names", () => {
    const names = ["fer", { toString: 1 }, undefined].map((name) => ({ name, version: "1" }));
    const summary = summaryOf(names.map((model) => seen(0, { model: model as Seen["data"]["model"] })));
    assert.deepEqual([...summary.models], ["fer 1", "1"]);
  });

  it("does not extend a face across the gap between two runs in one file", () => {
    const summary = summaryOf([
      seen(0, { kind: "appeared" }),
      seen(1000, { kind: "sample" }), // killed here
      seen(5000, { kind: "appeared" }),
      seen(6000, { kind: "left" }),
    ]);
    assert.deepEqual([summary.tracks, byLabel(summary).happy], [2, 2000]);
  });

  it("does not extend a face across the gap between two runs that only wrote samples", () => {
    const run = (atMs: number, label: string) =>
      [0, 5000, 10_000].map((ms) => seen(ms, { kind: "sample", label }, { timeMs: atMs + ms }));
    const events = [...run(DAY_MS, "happy"), ...run(DAY_MS + 7_200_000, "neutral")];
    for (const clock of ["wall", "media"] as const) {
      const summary = summaryOf(events, ["a"], clock);
      assert.deepEqual(byLabel(summary), { happy: 10_000, neutral: 10_000 });
      assert.equal(summary.tracks, 2);
      assert.deepEqual(summary.changes, []);
    }
  });

  it("distinguishes runs started shortly after one another by media time that starts over", () => {
    const run = (atMs: number) => [0, 2000].map((ms) => seen(ms, { kind: "sample" }, { timeMs: atMs + ms }));
    const summary = summaryOf([...run(DAY_MS), ...run(DAY_MS + 3000)], ["a"], "wall");
    assert.deepEqual([summary.tracks, byLabel(summary).happy], [2, 4000]);
  });

  it("follows a track of a camera whose frames are late and drift from its clock", () => {
    const late = [0, 0, 4000, 200, 900, 1800, 2700, 3600, 4500, 5400];
    const events = late.map((ms, i) =>
      seen(i * 1000, { kind: "sample" }, { timeMs: DAY_MS + i * 1000 + ms }),
    );
    const summary = summaryOf(events, ["a"], "wall");
    assert.deepEqual([summary.tracks, summary.inViewMs], [1, 14_400]);
  });

  it("distinguishes recordings processed in parallel, even if their cameras have the same name", () => {
    for (const apartMs of [400, 5000]) {
      const events = (["appeared", "sample", "sample", "left"] as const).flatMap((kind, i) => [
        seen(i * 1000, { kind, label: "happy" }),
        seen(i * 1000, { kind, label: "neutral" }, { timeMs: DAY_MS + apartMs + i * 1000 }),
      ]);
      for (const clock of ["wall", "media"] as const) {
        const summary = summaryOf(events, ["-"], clock);
        assert.deepEqual(byLabel(summary), { happy: 3000, neutral: 3000 });
        assert.deepEqual([summary.tracks, summary.changes], [2, []]);
      }
    }
  });

  it("does not count a duplicate message twice", () => {
    const events = [seen(0, { kind: "appeared" }), seen(1000), seen(2000, { kind: "left" })];
    const summary = summaryOf(events.flatMap((event) => [event, event]));
    assert.equal(summary.inViewMs, 2000);
  });

  it("distinguishes pipelines, and names them if their cameras have the same name", () => {
    const both = (pipeline: string, camera: string) => [
      seen(0, { pipeline, camera, kind: "sample" }),
      seen(1000, { pipeline, camera, kind: "sample" }),
    ];
    const events = [...both("north", "door"), ...both("south", "door"), ...both("south", "hall")];
    const summary = summaryOf(events, ["-"]);
    assert.deepEqual(
      summary.cameras.map(({ name }) => name),
      ["north door", "south door", "hall"],
    );
    assert.deepEqual([summary.tracks, summary.inViewMs], [3, 3000]);
  });

  it("follows a track into the next file of a rotated run, but not into that of another run", () => {
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

  it("treats rotated files of a recording as one camera, named as if it were alone", () => {
    const events = [
      seen(0, { kind: "appeared", label: "happy" }),
      seen(10_000, { kind: "changed", label: "neutral" }),
      seen(9900, { track: 4, kind: "left" }, { input: 1, timeMs: DAY_MS + 9899 }),
      seen(30_000, { kind: "changed", label: "happy" }, { input: 1 }),
      seen(40_000, { kind: "left", label: "happy" }, { input: 2 }),
    ];
    const summary = summaryOf(events, ["a", "b", "c"]);
    assert.deepEqual(
      summary.cameras.map(({ name }) => name),
      ["door"],
    );
    assert.deepEqual(byLabel(summary), { happy: 20_000, neutral: 20_000 });
    assert.deepEqual([summary.changes[0]?.[1], summary.changes[1]?.[0]], [1, 1]);
  });

  it("distinguishes the cameras of several recordings by file name", () => {
    for (const laterMs of [300, 60_000]) {
      const later = seen(0, {}, { input: 1, timeMs: DAY_MS + laterMs });
      const summary = summaryOf([seen(0), seen(1000), later], ["lobby", "hall"]);
      assert.deepEqual(
        summary.cameras.map(({ name }) => name),
        ["lobby door", "hall door"],
      );
    }
  });

  it("finds the tracks longest in view, whenever they appear and whether or not they have left", () => {
    const events: Seen[] = [];
    const stay = (track: number, fromMs: number, ms: number) =>
      events.push(
        seen(fromMs, { track, kind: "appeared" }),
        seen(fromMs + ms, { track, kind: "sample" }),
        seen(fromMs + ms, { track, kind: track % 2 ? "left" : "sample" }),
      );
    // Including those that appear just when others are discarded.
    const long = [1, 200, 400, 401, 402, 602, 803, 1000];
    for (let n = 1; n <= 1000; n++) stay(n, n * 1000, long.includes(n) ? 60_000 + n : n / 1000);
    const tracks = summaryOf(events).longestTracks();
    assert.equal(tracks.length, 40);
    assert.deepEqual(
      tracks.map(({ track }) => track),
      [...long.slice(0, -1), ...Array.from({ length: 33 }, (_, i) => 968 + i)],
    );
  });

  it("shows the first and last events by time, not by line", () => {
    const times = (fromMs: number) => Array.from({ length: 1500 }, (_, i) => fromMs + i);
    const summary = summaryOf(
      [...times(5000), ...times(0), ...times(9000)].map((ms) => seen(ms)),
      ["a"],
      "wall",
    );
    const shown = summary.table().map(({ atMs }) => atMs - DAY_MS);
    assert.deepEqual(shown, [...times(0).slice(0, 100), ...times(9000).slice(-100)]);
  });

  it("counts faces if none was in view for any time, as in still images", () => {
    const labels = ["neutral", "happy", "happy", "happy"];
    const pictures = labels.map((label, n) => seen(n * 40, { track: n + 1, kind: "sample", label }));
    const summary = summaryOf(pictures);
    assert.equal(summary.shares().of, "faces");
    assert.deepEqual(byLabel(summary), { happy: 3, neutral: 1 });
    assert.equal(summaryOf([...pictures, seen(200, { track: 4 })]).shares().of, "time");
  });

  it("covers the cells where a face was, and knows the frame's aspect ratio", () => {
    const box = { x: 0, y: 0, width: 100, height: 50 };
    const relativeBox = { x: 0, y: 0, width: 0.5, height: 0.5 };
    const summary = summaryOf([seen(0, { box, relativeBox }), seen(1000, { kind: "left" })]);
    const [camera] = summary.cameras;
    assert.equal(camera?.aspect, 2);
    assert.equal(camera?.heat[0], 1000);
    assert.equal(camera?.heat.at(-1), 0);
  });

  it("uses the recording's clock if there is one, else the time of day", async () => {
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

  it("stays small with any number of labels, cameras, tracks and names", () => {
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
    assert(summary.cameras.length <= 201, `${summary.cameras.length} cameras`);
    assert(summary.models.size <= 8);
    assert(summary.longestTracks().length <= 40);
    assert.equal(summary.table().length, 200);
    assert(summary.labels.every((label) => label.length <= 80));
  });
});
