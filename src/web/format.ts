/** `1:02:03` or `2:03`; with tenths `2:03.4`. */
export function clock(ms: number, tenths = false): string {
  const total = Math.max(0, tenths ? Math.floor(ms / 100) / 10 : Math.floor(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  const rest = total % 60;
  const seconds = tenths ? rest.toFixed(1).padStart(4, "0") : String(Math.floor(rest)).padStart(2, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}

/** `87 %`. */
export function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}

/** `3.2 s`, `48 s`, `2 min 5 s`. */
export function lasting(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** `12,345`; from 100,000 on `123k`. */
export function count(value: number): string {
  if (value < 100_000) return Math.round(value).toLocaleString("en-US");
  return value < 10_000_000 ? `${Math.round(value / 1000)}k` : `${Math.round(value / 1e6)}M`;
}
