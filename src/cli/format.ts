/** `1:02:03` or `2:03`. */
export function clock(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const hours = Math.floor(total / 3600);
  const rest = `${Math.floor(total / 60) % 60}`;
  const seconds = String(total % 60).padStart(2, "0");
  return hours > 0 ? `${hours}:${rest.padStart(2, "0")}:${seconds}` : `${rest}:${seconds}`;
}

/** `12,345`. */
export function count(value: number): string {
  return value.toLocaleString("en-US");
}

/** `1 frame`, `2 frames`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}
