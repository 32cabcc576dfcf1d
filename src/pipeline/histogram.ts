export interface Buckets {
  /** Upper bounds of the buckets, ascending; one more bucket holds what is above the last. */
  readonly bounds: readonly number[];
  /** Values in each bucket alone, one more than bounds. */
  readonly counts: readonly number[];
}

/** Counts of values by size, as plain data. */
export interface HistogramFigures extends Buckets {
  readonly sum: number;
}

/**
 * What `part` (0 to 1) of all values do not exceed, taken as spread evenly within their bucket; of values above the last
 * bound, that bound. Nothing where there are no values.
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

/** Counts values by size without keeping them. */
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
