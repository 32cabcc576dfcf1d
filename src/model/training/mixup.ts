import type { Batch } from "../data/index.js";
import type { Random } from "../data/random.js";
import { normal } from "../layers/initial.js";

/**
 * Mixes each picture and its target with another of the batch, all in the same proportion, drawn from Beta(alpha,
 * alpha) (Zhang et al., 2018).
 */
export function mixup(batch: Batch, alpha: number, random: Random): Batch {
  const share = beta(alpha, random);
  const order = random.shuffle(Uint32Array.from({ length: batch.size }, (_, i) => i));
  const mix = (values: Float32Array): Float32Array => {
    const row = values.length / batch.size;
    return values.map((value, i) => {
      const at = Math.floor(i / row);
      const other = values[(order[at] ?? at) * row + (i % row)] ?? 0;
      return share * value + (1 - share) * other;
    });
  };
  // A picture's weight is merged into its target, so that it stays with its share of the mixture.
  const classes = batch.y.length / batch.size;
  const weighted = batch.y.map((value, i) => value * (batch.weight[Math.floor(i / classes)] ?? 1));
  return {
    x: mix(batch.x),
    y: mix(weighted),
    weight: new Float32Array(batch.size).fill(1),
    size: batch.size,
  };
}

/** Uses logarithms: for a small alpha, both gammas would underflow. */
function beta(alpha: number, random: Random): number {
  const a = logGamma(alpha, random);
  const b = logGamma(alpha, random);
  return 1 / (1 + Math.exp(b - a));
}

/** Logarithm of a gamma-distributed number (Marsaglia and Tsang, 2000). */
function logGamma(shape: number, random: Random): number {
  if (shape < 1) return logGamma(shape + 1, random) + Math.log(1 - random.next()) / shape;
  const d = shape - 1 / 3;
  for (;;) {
    const x = normal(random);
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random.next()) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return Math.log(d * v);
  }
}
