/** Counts of values by size, as plain data. */
export interface HistogramFigures {
  /** Upper bounds of the buckets, ascending; one more bucket holds what is above the last. */
  readonly bounds: readonly number[];
  /** Values in each bucket alone, one more than bounds. */
  readonly counts: readonly number[];
  readonly sum: number;
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
