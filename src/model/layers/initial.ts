import type { Random } from "../data/random.js";
import type { Parameter } from "./parameters.js";

/**
 * Initial values: He normal (fan out) for convolutions, uniform by fan in for linear layers, identity for batch norm.
 */
export function initialValue({ role, dims, size, fan }: Parameter, random: Random): Float32Array {
  const values = new Float32Array(size);
  if (role === "gamma" || role === "variance") return values.fill(1);
  if (role === "weight" && dims.length === 4) {
    const deviation = Math.sqrt(2 / fan.out);
    return values.map(() => deviation * normal(random));
  }
  if (role === "weight") {
    const bound = 1 / Math.sqrt(fan.in);
    return values.map(() => random.around(bound));
  }
  return values;
}

/** A normally distributed number with mean 0 and deviation 1 (Box and Muller). */
export function normal(random: Random): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random.next()));
  return radius * Math.cos(2 * Math.PI * random.next());
}
