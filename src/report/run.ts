import type { Seen } from "./read.js";

/** Both times are whole milliseconds at best. */
const ROUNDING_MS = 2;
/** The clocks of one run differ by the same at any time, but for what a camera's pictures are late. */
const SAME_RUN_MS = 1000;
/** A camera is opened anew where no picture comes for so long: later they are not. */
const LATE_MS = 5000;

/** Where a run stood when it wrote an event. */
export interface Position {
  /** Wall time less media time, ms: of a recording, when its run began. */
  clocksMs: number;
  mediaTimeMs: number;
}

export function clocksOf({ timeMs, data }: Seen): number {
  return timeMs - data.mediaTimeMs;
}

/** How far apart their clocks are, ms: the less, the likelier they are of one run. */
export function apartMs(before: Position, now: Seen): number {
  return Math.abs(clocksOf(now) - before.clocksMs);
}

/** Whether a track can go on from one to the other: the next run starts later, and mostly counts from 0 again. */
export function sameRun(before: Position, now: Seen): boolean {
  return apartMs(before, now) <= (now.data.mediaTimeMs < before.mediaTimeMs ? SAME_RUN_MS : LATE_MS);
}

/** Whether they are of one run of a recording, to the millisecond. */
export function sameStart(before: Position, now: Seen): boolean {
  return apartMs(before, now) <= ROUNDING_MS;
}

/**
 * Whether a file that was rotated goes on in the next one. Recordings that were begun together are not taken for one:
 * the clocks of a rotated one agree to the millisecond, and a camera's media time goes on.
 */
export function rotated(before: Position, now: Seen): boolean {
  const onward = now.data.mediaTimeMs >= before.mediaTimeMs;
  return sameStart(before, now) || (onward && apartMs(before, now) <= SAME_RUN_MS);
}
