import { batchNorm, conv, dropout, globalMaxPool, type Layer, maxPool, relu } from "../layers/layer.js";

/**
 * The study's network: ten convolutions, four halvings, global max pooling; about 0.6 M parameters.
 * Convolutions keep the size ("same"); pooling pads by one, as the study says.
 */
export function study(classes: number, rate: number): Layer[] {
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
    ...stage(16, 7),
    ...stage(32, 5),
    ...stage(64, 3),
    ...stage(128, 3),
    conv(256, 3),
    batchNorm(),
    conv(classes, 3, { bias: true }),
    globalMaxPool(),
  ];
}
