export interface Buckets {
  /** Upper bounds of the buckets, ascending; an extra bucket holds values above the last. */
  readonly bounds: readonly number[];
  /** Number of values per bucket, not cumulative; one more entry than `bounds`. */
  readonly counts: readonly number[];
}

/** Counts of values by size, as plain data. */
export interface HistogramFigures extends Buckets {
  readonly sum: number;
}

/**
 * The `part` quantile (0 to 1), assuming values are spread evenly within their bucket; the last bound for values above
 * it. Undefined without values.
 */
export function quantile({ bounds, counts }: Buckets, part: number): number | undefined {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  for (const [i, count] of counts.entries()) {
    if (count > 0 && below + count >= part * total) {
      const [low, high] = [bounds[i - 1] ?? 0, bounds[i] ?? bounds.at(-1) ?? 0];
      return low + Math.max(0, high - low) * ((part * total - below) / count);
    }
    below += count;
  }
  return bounds.at(-1);
}

/** Counts values by size without storing them. */
export class Histogram implements HistogramFigures {
  readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  add(value: number): void {
    let bucket = 0;
    while (value > (this.bounds[bucket] ?? Number.POSITIVE_INFINITY)) bucket++;
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1;
    this.sum += value;
  }
}
