/** Time with each label, in buckets that grow with the time span, so that memory is bounded. */
export class Timeline {
  readonly #most: number;
  /** Milliseconds per label, by bucket number `floor(time / width)`. */
  #buckets = new Map<number, number[]>();
  #first = Number.POSITIVE_INFINITY;
  #last = Number.NEGATIVE_INFINITY;
  #widthMs: number;

  /**
   * @param most maximum number of buckets; neighbours are merged if there would be more
   * @param widthMs initial width of a bucket
   */
  constructor(most = 240, widthMs = 125) {
    this.#most = most;
    this.#widthMs = widthMs;
  }

  /** Width of a bucket: the initial width, doubled as often as necessary. */
  get widthMs(): number {
    return this.#widthMs;
  }

  /** Adds `[fromMs, toMs)`, split over the buckets it touches. */
  add(label: number, fromMs: number, toMs: number): void {
    if (!(toMs > fromMs)) return;
    this.#reach(fromMs, toMs);
    const width = this.#widthMs;
    const end = this.#lastOf(toMs);
    for (let n = Math.floor(fromMs / width); n <= end; n++) {
      const part = Math.min(toMs, (n + 1) * width) - Math.max(fromMs, n * width);
      const bucket = this.#buckets.get(n) ?? [];
      bucket[label] = (bucket[label] ?? 0) + part;
      this.#buckets.set(n, bucket);
    }
  }

  /** Non-empty buckets by time; `ms` by label may have holes. */
  entries(): { readonly startMs: number; readonly ms: readonly (number | undefined)[] }[] {
    return [...this.#buckets]
      .sort(([a], [b]) => a - b)
      .map(([n, ms]) => ({ startMs: n * this.#widthMs, ms }));
  }

  /** Number of the bucket that ends at or after `toMs`. */
  #lastOf(toMs: number): number {
    return Math.ceil(toMs / this.#widthMs) - 1;
  }

  #reach(fromMs: number, toMs: number): void {
    this.#first = Math.min(this.#first, fromMs);
    this.#last = Math.max(this.#last, toMs);
    while (this.#lastOf(this.#last) - Math.floor(this.#first / this.#widthMs) >= this.#most) this.#halve();
  }

  #halve(): void {
    const halved = new Map<number, number[]>();
    for (const [n, ms] of this.#buckets) {
      const into = halved.get(Math.floor(n / 2)) ?? [];
      ms.forEach((value, label) => {
        into[label] = (into[label] ?? 0) + value;
      });
      halved.set(Math.floor(n / 2), into);
    }
    this.#buckets = halved;
    this.#widthMs *= 2;
  }
}
