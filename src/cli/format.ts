import { type Buckets, quantile } from "../pipeline/histogram.js";

/** `1:02:03` or `2:03`. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const hours = Math.floor(total / 3600);
  const rest = `${Math.floor(total / 60) % 60}`;
  const seconds = String(total % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${rest.padStart(2, "0")}:${seconds}` : `${rest}:${seconds}`;
}

/** `latency 31 ms, p95 58 ms`: median and 95th percentile of the events' delays; empty without events. */
export function latency(delaysMs: Buckets): string[] {
  const [half, most] = [quantile(delaysMs, 0.5), quantile(delaysMs, 0.95)];
  return half === undefined || most === undefined
    ? []
    : [`latency ${Math.round(half)} ms, p95 ${Math.round(most)} ms`];
}
