import { filter } from "rxjs";
import { Type } from "typebox";
import { operator } from "../pipeline/component.js";
import { Rate } from "../pipeline/units.js";

/** Keeps at most `fps` frames a second of media time, per source, and returns the others' leases at once. */
export const sample = operator({
  type: "sample",
  summary: "Keeps at most a given number of frames per second.",
  description: "Uses media time, per source, so a recording gives the same frames however fast it is read.",
  takes: "frames",
  gives: "frames",
  options: Type.Object({
    fps: Rate({ description: "Frames to keep per second of media time.", examples: [5] }),
  }),
  example: "- { type: sample, fps: 5 }",
  apart: ({ fps }) => 1000 / fps,
  build: ({ fps }) => {
    const periodMs = 1000 / fps;
    const next = new Map<string, number>(); // by source
    return filter((frame) => {
      const due = next.get(frame.source) ?? Number.NEGATIVE_INFINITY;
      // Half a millisecond of tolerance: times that should be equal differ by rounding.
      if (frame.mediaTimeMs < due - 0.5) return frame.release();
      // Keeps to the grid if possible, so that 10 of 30 frames a second are every third.
      next.set(
        frame.source,
        frame.mediaTimeMs < due + periodMs ? due + periodMs : frame.mediaTimeMs + periodMs,
      );
      return true;
    });
  },
});
