import assert from "node:assert/strict";
import { summaryLines } from "#src/cli/summary.js";
import { SinkError, SourceError } from "#src/errors.js";
import type { SourceStats } from "#src/pipeline/context.js";
import { Histogram } from "#src/pipeline/histogram.js";

/** A recording that has ended. */
function ended(id: string, decoded: number, mediaTimeMs: number, seconds: number): SourceStats {
  const figures = { decoded, mediaTimeMs, firstTimeMs: 0, seconds, dropped: 0, reconnects: 0 };
  return { id, live: false, identity: id, state: "ended", ...figures };
}

describe("the summary of a run", () => {
  const run = { errors: [], sinks: [], events: 2, peakRssBytes: 2 ** 27 };

  it("computes rates from each source's own time, and names what it counts", () => {
    const sources = [ended("lobby", 1000, 40_000, 10), ended("again", 75, 3_000, 0.5)];
    assert.deepEqual(
      summaryLines({ ...run, sources, faces: 1537, tracks: 1, seconds: 10 })
        .trim()
        .split("\n"),
      [
        "lobby: 1,000 frames, 0:40 of media (100 fps, 4.0x real time)",
        "again: 75 frames, 0:03 of media (150 fps, 6.0x real time)",
        "1,537 detections of 1 face, 2 events, 10.0 s, peak memory 128 MB",
      ],
    );
  });

  it("names what was lost: frames of a camera, and what a sink could not write", () => {
    const { seconds: _, ...camera } = ended("door", 54_000, 3_723_000, 0);
    const delays = new Histogram([10, 20, 40]);
    for (const ms of [15, 15, 15, 35]) delays.add(ms);
    const lines = summaryLines({
      ...run,
      sources: [{ ...camera, live: true, dropped: 1200, reconnects: 1 }],
      faces: 0,
      tracks: 0,
      seconds: 3600,
      eventDelayMs: delays,
      sinks: [
        { id: "file", written: 1, lost: 1500 },
        { id: "nats", written: 2, lost: 0, figures: { dropped: 3000, waiting: 0 } },
      ],
      errors: [new SinkError("SINK_WRITE", "file: the disk is full")],
    });
    assert.deepEqual(lines.trim().split("\n"), [
      "door: 54,000 frames, 1,200 dropped, 1 reconnect, 1:02:03 of media (15 fps)",
      "0 detections of 0 faces, 2 events, 3600.0 s, peak memory 128 MB",
      "frame to event: latency 17 ms, p95 36 ms",
      "file: 1 written, 1,500 NOT written",
      "nats: 2 written, 3,000 dropped",
      "failed",
    ]);
  });

  it("repeats errors where other sources went on after them", () => {
    const errors = [
      new SourceError("SOURCE_OPEN", "source a: none"),
      new SourceError("SOURCE_OPEN", "source b: none"),
    ];
    const sources = [ended("a", 0, 0, 1), ended("b", 0, 0, 1)];
    const text = summaryLines({ ...run, sources, faces: 0, seconds: 1, errors });
    assert.equal(text.trim().split("\n").at(-1), "failed: source a: none; source b: none");
  });

  it("does not mention faces if nothing tracked them", () => {
    const text = summaryLines({ ...run, sources: [], faces: 1, seconds: 1 });
    assert.match(text, /^1 detection, 2 events, /);
  });
});
