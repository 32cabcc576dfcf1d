/** A benchmark: the name that selects it, and what it measures. */
export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  /**
   * Duration of a default run on two cores in seconds; with `--quick` about a quarter. Used only to estimate the time
   * left.
   */
  readonly seconds: number;
  run(bench: Bench): Promise<Result>;
}

/** What a benchmark is given. */
export interface Bench {
  /** Short runs that only show that everything works; their figures are rough. */
  readonly quick: boolean;
  /** Include what takes half an hour. */
  readonly long: boolean;
  /** FER-2013's CSV, if available. */
  readonly data?: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** An empty folder that is deleted afterwards. */
  readonly folder: string;
  /** Reports what is running. */
  say(what: string): void;
}

export interface Result {
  /** How it was measured: pictures, settings, rounds. */
  readonly conditions: Readonly<Record<string, unknown>>;
  readonly rows: readonly Row[];
  /** What was not measured, and why: a peer that is not installed, a recording that is missing. */
  readonly skipped: readonly string[];
}

/** One line of the table: ours, next to the peer that took turns with it in the same run. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: Spread;
  readonly peer?: { readonly name: string; readonly value: Spread };
  /**
   * Ours divided by the peer's, round by round: above 1, we are faster if the unit is a rate, slower if it is a time.
   */
  readonly ratio?: Spread;
  /**
   * CPU time of all threads and processes per unit of work in ms (medians); absent if the system does not report it.
   */
  readonly cpuMs?: { readonly ours: number; readonly peer?: number };
  readonly notes?: Readonly<Record<string, number | string>>;
}

/** A median with minimum and maximum. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), low: Math.min(...values), high: Math.max(...values) };
}

/** The value below which a fraction `part` lies, interpolated between neighbours. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const place = part * (sorted.length - 1);
  const [below, above] = [sorted[Math.floor(place)] ?? Number.NaN, sorted[Math.ceil(place)] ?? Number.NaN];
  return below + (above - below) * (place - Math.floor(place));
}

/** The spread of `ours[i] / peers[i]`. */
export function ratios(ours: readonly number[], peers: readonly number[]): Spread {
  return spread(ours.map((value, i) => value / (peers[i] ?? Number.NaN)));
}
