import {
  avgPool,
  batchNorm,
  conv,
  dropout,
  globalAvgPool,
  type Layer,
  linear,
  relu,
  residual,
} from "../layers/layer.js";
import { widened } from "./width.js";

/**
 * The residual network behind `fer2013-small`: 0.94 M parameters and 57 M multiply-adds at 48x48, 7 classes and width
 * 1.
 */
export function small(classes: number, rate: number, width = 1): Layer[] {
  const [first, second, third, fourth] = widened([24, 40, 80, 160] as const, width);
  return [
    conv(first, 3),
    batchNorm(),
    relu(),
    ...block(first, second, 2),
    ...block(second, third, 2),
    ...block(third, fourth, 2),
    ...block(fourth, fourth, 1),
    globalAvgPool(),
    dropout(rate),
    linear(classes),
  ];
}

/**
 * Two 3x3 convolutions with a shortcut around them. The shortcut averages before its convolution, so that the stride
 * loses no pixel.
 */
function block(channels: number, out: number, stride: 1 | 2): Layer[] {
  const body = [conv(out, 3, { stride }), batchNorm(), relu(), conv(out, 3), batchNorm()];
  const mean = stride === 2 ? [avgPool(2)] : [];
  const skip = stride === 1 && channels === out ? [] : [...mean, conv(out, 1), batchNorm()];
  return [residual(body, skip), relu()];
}
