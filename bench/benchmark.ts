/** One benchmark: a name to ask for it by, and what it measures. */
export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  run(log: (line: string) => void): Promise<Result>;
}

export interface Result {
  /** How it was measured: pictures, settings, rounds. */
  readonly conditions: Readonly<Record<string, unknown>>;
  readonly rows: readonly Row[];
  /** What was not measured, and why: a peer that is not installed, a recording that is not here. */
  readonly skipped: readonly string[];
}

/** One line of the table: ours, and beside it whoever took turns with it in the same run. */
export interface Row {
  readonly what: string;
  readonly unit: "ms" | "fps" | "faces/s" | "events/s" | "MB" | "cameras";
  readonly ours: Spread;
  readonly peer?: { readonly name: string; readonly value: Spread };
  /** Ours divided by the peer's, round by round. */
  readonly ratio?: Spread;
  readonly notes?: Readonly<Record<string, number | string>>;
}

/** A median with the quartiles around it. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => {
    const place = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
    return below + (above - below) * (place - Math.floor(place));
  };
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

/** The spread of `ours[i] / peers[i]`. */
export function ratios(ours: readonly number[], peers: readonly number[]): Spread {
  return spread(ours.map((value, i) => value / (peers[i] ?? Number.NaN)));
}
