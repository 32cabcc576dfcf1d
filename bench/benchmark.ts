/** One benchmark: a name to ask for it by, and what it measures. */
export interface Benchmark {
  readonly name: string;
  readonly summary: string;
  /** How long a default run takes on two cores, s; with `--quick` about a quarter. Only the time left is told by it. */
  readonly seconds: number;
  run(bench: Bench): Promise<Result>;
}

/** What a benchmark is given. */
export interface Bench {
  /** Short runs that show that everything works; their figures are rough. */
  readonly quick: boolean;
  /** Also what takes half an hour. */
  readonly long: boolean;
  /** FER-2013's CSV, where it is at hand. */
  readonly data?: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  /** An empty folder, deleted afterwards. */
  readonly folder: string;
  /** Tells what is under way. */
  say(what: string): void;
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
  readonly unit: string;
  readonly ours: Spread;
  readonly peer?: { readonly name: string; readonly value: Spread };
  /** Ours divided by the peer's, round by round: above 1 we are faster where the unit is a rate, slower where a time. */
  readonly ratio?: Spread;
  /** CPU time of all threads and processes for one unit of work, ms, medians; absent where the system does not tell. */
  readonly cpuMs?: { readonly ours: number; readonly peer?: number };
  readonly notes?: Readonly<Record<string, number | string>>;
}

/** A median, with the least and the most. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spread(values: readonly number[]): Spread {
  return { median: quantile(values, 0.5), low: Math.min(...values), high: Math.max(...values) };
}

/** The value that `part` of all stay below; between two values it is interpolated. */
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
