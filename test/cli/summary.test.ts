import assert from "node:assert/strict";
import { summaryLines } from "#src/cli/summary.js";
import type { SourceStats } from "#src/pipeline/context.js";

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

  it("does not mention faces if nothing tracked them", () => {
    const text = summaryLines({ ...run, sources: [], faces: 1, seconds: 1 });
    assert.match(text, /^1 detection, 2 events, /);
  });
});
