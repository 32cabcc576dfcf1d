import type { Seen } from "./read.js";

/** What times in the report mean: `wall` is the time of day, `media` counts from the start of a recording. */
export type Clock = "wall" | "media";

/** Both times are rounded to milliseconds. */
const ROUNDING_MS = 1;
/** Required share of constant differences: they change between appended runs, and constantly for cameras. */
const STEADY = 0.9;

/**
 * The appropriate clock for these events. For a recording, wall time is the start of the run plus media time, exact to
 * the millisecond; for a camera, it is the arrival of frames, which jitters.
 */
export function clockOf(events: readonly Seen[]): Clock {
  const last = new Map<string, number>();
  let pairs = 0;
  let equal = 0;
  for (const { input, timeMs, data } of events) {
    const key = `${input}\n${data.pipeline}\n${data.camera}`;
    const difference = timeMs - data.mediaTimeMs;
    const before = last.get(key);
    last.set(key, difference);
    if (before === undefined) continue;
    pairs++;
    if (Math.abs(difference - before) <= ROUNDING_MS) equal++;
  }
  return pairs > 0 && equal / pairs >= STEADY ? "media" : "wall";
}
