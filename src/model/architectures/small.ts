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

/** Residual network of `fer2013-small`: 0.94 M parameters, 57 M multiply-adds at 48x48 and 7 classes. */
export function small(classes: number, rate: number): Layer[] {
  return [
    conv(24, 3),
    batchNorm(),
    relu(),
    ...block(24, 40, 2),
    ...block(40, 80, 2),
    ...block(80, 160, 2),
    ...block(160, 160, 1),
    globalAvgPool(),
    dropout(rate),
    linear(classes),
  ];
}

/** Two 3x3 convolutions beside a shortcut; the mean before the shortcut's convolution loses no pixel to its stride. */
function block(channels: number, out: number, stride: 1 | 2): Layer[] {
  const body = [conv(out, 3, { stride }), batchNorm(), relu(), conv(out, 3), batchNorm()];
  const mean = stride === 2 ? [avgPool(2)] : [];
  const skip = stride === 1 && channels === out ? [] : [...mean, conv(out, 1), batchNorm()];
  return [residual(body, skip), relu()];
}
