import type { Seen } from "./read.js";

/** Both times are rounded to milliseconds. */
const ROUNDING_MS = 2;
/** Within a run, the difference of the clocks is constant except for delays of a camera's frames. */
const SAME_RUN_MS = 1000;
/** Maximum delay of a frame: a camera that sends nothing for longer is reopened. */
const LATE_MS = 5000;

/** Position of a run when it wrote an event. */
export interface Position {
  /** Wall time minus media time, ms: for a recording, the start of its run. */
  clocksMs: number;
  mediaTimeMs: number;
}

export function clocksOf({ timeMs, data }: Seen): number {
  return timeMs - data.mediaTimeMs;
}

/** Difference of their clocks, ms: the smaller, the more likely they belong to the same run. */
export function apartMs(before: Position, now: Seen): number {
  return Math.abs(clocksOf(now) - before.clocksMs);
}

/** Whether a track can continue from one to the other: another run starts later, and mostly counts from 0 again. */
export function sameRun(before: Position, now: Seen): boolean {
  return apartMs(before, now) <= (now.data.mediaTimeMs < before.mediaTimeMs ? SAME_RUN_MS : LATE_MS);
}

/** Whether they belong to the same run of a recording, exact to the millisecond. */
export function sameStart(before: Position, now: Seen): boolean {
  return apartMs(before, now) <= ROUNDING_MS;
}

/**
 * Whether a rotated file continues in the next one. Does not confuse recordings started together: the clocks of a
 * rotated file agree to the millisecond, and a camera's media time continues.
 */
export function rotated(before: Position, now: Seen): boolean {
  const onward = now.data.mediaTimeMs >= before.mediaTimeMs;
  return sameStart(before, now) || (onward && apartMs(before, now) <= SAME_RUN_MS);
}
