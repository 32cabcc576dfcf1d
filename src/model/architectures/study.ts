import { batchNorm, conv, dropout, globalMaxPool, type Layer, maxPool, relu } from "../layers/layer.js";
import { widened } from "./width.js";

/**
 * The study's network: ten convolutions, four halvings, global max pooling; about 0.6 M parameters. Convolutions keep
 * the size ("same"); pooling pads by one, as in the study.
 */
export function study(classes: number, rate: number, width = 1): Layer[] {
  const [first, second, third, fourth, fifth] = widened([16, 32, 64, 128, 256] as const, width);
  const stage = (out: number, kernel: number): Layer[] => [
    conv(out, kernel),
    batchNorm(),
    conv(out, kernel),
    batchNorm(),
    relu(),
    maxPool(2, 1),
    dropout(rate),
  ];
  return [
    ...stage(first, 7),
    ...stage(second, 5),
    ...stage(third, 3),
    ...stage(fourth, 3),
    conv(fifth, 3),
    batchNorm(),
    conv(classes, 3, { bias: true }),
    globalMaxPool(),
  ];
}
