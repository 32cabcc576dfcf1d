/** Sum of an output pixel's weights. Small enough for weighted sums of grey levels to fit 32 bits. */
export const ONE = 2 ** 14;

/** Which source pixels make up each output pixel along one axis, and how much each weighs. */
export class Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  /** Those of output pixel `i` start at `i * span` and are padded with zeros. */
  weights = new Int16Array(0);
  /** Weights per output pixel; a multiple of 8. */
  span = 0;
  #shares = new Float64Array(0);

  constructor(size: number) {
    this.first = new Int32Array(size);
    this.count = new Int32Array(size);
  }

  /** @param limit size of the picture along this axis; taps outside it count towards its first or last pixel */
  lay(start: number, length: number, limit: number): void {
    const size = this.first.length;
    const step = length / size;
    const reach = Math.max(1, step);
    this.span = Math.ceil((2 * reach + 2) / 8) * 8;
    if (this.weights.length < size * this.span) this.weights = new Int16Array(size * this.span);
    if (this.#shares.length < this.span) this.#shares = new Float64Array(this.span);
    const shares = this.#shares;
    const clamp = (pixel: number) => Math.min(limit - 1, Math.max(0, pixel));
    for (let i = 0; i < size; i++) {
      const centre = start + (i + 0.5) * step;
      const from = Math.floor(centre - reach);
      const to = Math.ceil(centre + reach);
      const first = clamp(from);
      const count = clamp(to - 1) - first + 1;
      this.first[i] = first;
      this.count[i] = count;
      shares.fill(0, 0, count);
      let total = 0;
      for (let pixel = from; pixel < to; pixel++) {
        const share = Math.max(0, 1 - Math.abs(pixel + 0.5 - centre) / reach);
        const tap = clamp(pixel) - first;
        shares[tap] = (shares[tap] ?? 0) + share;
        total += share;
      }
      this.#round(i * this.span, count, total);
    }
  }

  /** Rounds the shares to integers that sum to exactly `ONE`: each rounding error is carried over to the next share. */
  #round(at: number, count: number, total: number): void {
    let sum = 0;
    let before = 0;
    for (let tap = 0; tap < count; tap++) {
      sum += this.#shares[tap] ?? 0;
      const until = Math.round((sum / total) * ONE);
      this.weights[at + tap] = until - before;
      before = until;
    }
    this.weights.fill(0, at + count, at + this.span);
  }

  /** Makes `first` relative to the first source pixel needed. Returns that pixel and the one after the last. */
  toFirst(): [number, number] {
    const { first, count } = this;
    const from = first[0] ?? 0;
    const last = first.length - 1;
    const to = (first[last] ?? 0) + (count[last] ?? 0);
    for (let i = 0; i <= last; i++) first[i] = (first[i] ?? 0) - from;
    return [from, to];
  }
}
