import type { Seen } from "./read.js";

/** What the report's times count: `wall` the time of day, `media` from the start of a recording. */
export type Clock = "wall" | "media";

/** Both times are whole milliseconds at best. */
const ROUNDING_MS = 1;
/** A run that was written behind another one begins with another difference; a camera's is never the same for long. */
const STEADY = 0.9;

/**
 * The clock that suits these events. Times of a recording's events are the start of the run plus media time to the
 * millisecond; those of a camera are when pictures came, and jitter.
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
