import type { Clock } from "./clock.js";

/** A duration: `2 d 1:02:03`, `1:02:03` or `2:03`; below ten seconds `2.3 s`. */
export function elapsed(ms: number): string {
  if (ms < 9950) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  return clockFace(Math.round(ms / 1000));
}

/** A point in time: `2026-01-01 12:00:00` in UTC, or `1:02:03.4` in a recording. */
export function moment(ms: number, clock: Clock): string {
  if (clock === "wall") return new Date(ms).toISOString().slice(0, 19).replace("T", " ");
  const tenths = Math.floor(Math.abs(ms) / 100);
  return `${ms < 0 ? "-" : ""}${clockFace(Math.floor(tenths / 10))}.${tenths % 10}`;
}

/** Whole seconds as `2:03`, `1:02:03` or `2 d 1:02:03`. */
export function clockFace(seconds: number): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const days = Math.floor(seconds / 86_400);
  const hours = Math.floor(seconds / 3600) % 24;
  const minutes = Math.floor(seconds / 60) % 60;
  const face =
    seconds < 3600 ? `${minutes}:${two(seconds % 60)}` : `${hours}:${two(minutes)}:${two(seconds % 60)}`;
  return days > 0 ? `${days} d ${face}` : face;
}

/** A fraction as `12.3 %`. */
export function percent(part: number): string {
  return `${(100 * (Number.isFinite(part) ? part : 0)).toFixed(1)} %`;
}

const LONGEST_NAME = 80;

/** Truncates an untrusted name to a length that can be stored and shown. */
export function cut(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
}
