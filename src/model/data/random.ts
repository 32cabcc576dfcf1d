/** A small seeded generator (sfc32): the same keys give the same numbers on every machine. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param keys what the numbers depend on, e.g. seed, epoch and the picture's row */
  constructor(...keys: readonly number[]) {
    const [a, b, c] = [0, 1, 2].map((lane) =>
      keys.reduce((hash, key) => mix(hash ^ mix(key + 0x9e3779b9 * (lane + 1))), 0x243f6a88 + lane),
    );
    this.#a = a ?? 0;
    this.#b = b ?? 0;
    this.#c = c ?? 0;
    for (let i = 0; i < 12; i++) this.next();
  }

  /** Uniform in [0, 1). */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  }

  /** Uniform in [-reach, reach). */
  around(reach: number): number {
    return (this.next() * 2 - 1) * reach;
  }

  /** An integer from 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** Shuffles `items` in place. */
  shuffle<T extends Uint32Array>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const kept = items[i] ?? 0;
      items[i] = items[j] ?? 0;
      items[j] = kept;
    }
    return items;
  }
}

/** The finaliser of MurmurHash3. */
function mix(value: number): number {
  let hash = value | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
