import {
  BATCH_NORM_EPSILON,
  chainShape,
  type Layer,
  outputShape,
  type Shape,
} from "#src/model/layers/layer.js";

/** Numbers of a batch, row-major, in double precision. */
type Values = readonly number[];

/** Inputs of a step, all in double precision. */
export interface Reference {
  readonly layers: readonly Layer[];
  readonly input: Shape;
  readonly batch: number;
  readonly x: Values;
  readonly y: Values;
  /** Parameters and masks by name. */
  readonly values: ReadonlyMap<string, Values>;
}

/** Loss of a training step, implemented separately with plain loops: the oracle for the graphs. */
export function referenceLoss({ layers, input, batch, x, y, values }: Reference): number {
  const logits = chain(layers, x, input, batch, values, "layers");
  const [classes] = chainShape(layers, input);
  let loss = 0;
  for (let n = 0; n < batch; n++) {
    const row = logits.slice(n * classes, (n + 1) * classes);
    const top = Math.max(...row);
    const log = top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0));
    row.forEach((z, c) => {
      loss -= at(y, n * classes + c) * (z - log);
    });
  }
  return loss / batch;
}

function at(values: Values, i: number): number {
  const value = values[i];
  if (value === undefined) throw new RangeError(`no value ${i}`);
  return value;
}

type Named = ReadonlyMap<string, Values>;

function named(values: Named, name: string): Values {
  const value = values.get(name);
  if (!value) throw new RangeError(`no ${name}`);
  return value;
}

function chain(
  layers: readonly Layer[],
  x: Values,
  input: Shape,
  batch: number,
  values: Named,
  path: string,
): Values {
  let shape = input;
  let now = x;
  layers.forEach((layer, i) => {
    now = forward(layer, now, shape, batch, values, `${path}.${i}`);
    shape = outputShape(layer, shape, `${path}.${i}`);
  });
  return now;
}

function forward(layer: Layer, x: Values, shape: Shape, batch: number, values: Named, path: string): Values {
  const [channels, height = 1, width = 1] = shape;
  const [out, outHeight = 1, outWidth = 1] = outputShape(layer, shape, path);
  const area = height * width;
  const windows = (kernel: number, stride: number, padding: number, visit: Visit) => {
    for (let n = 0; n < batch; n++)
      for (let i = 0; i < outHeight; i++)
        for (let j = 0; j < outWidth; j++) {
          const places: Place[] = [];
          for (let u = 0; u < kernel; u++)
            for (let v = 0; v < kernel; v++) {
              const [row, column] = [i * stride + u - padding, j * stride + v - padding];
              if (row >= 0 && column >= 0 && row < height && column < width)
                places.push({ at: row * width + column, k: u * kernel + v });
            }
          visit(n, i * outWidth + j, places);
        }
  };
  const result = new Array<number>(batch * out * outHeight * outWidth).fill(0);
  const outArea = outHeight * outWidth;
  switch (layer.type) {
    case "relu":
      return x.map((v) => Math.max(0, v));
    case "dropout": {
      const mask = layer.rate > 0 ? named(values, `${path}.mask`) : undefined;
      return mask ? x.map((v, i) => v * at(mask, i)) : x;
    }
    case "residual": {
      const body = chain(layer.body, x, shape, batch, values, `${path}.body`);
      const skip = chain(layer.skip, x, shape, batch, values, `${path}.skip`);
      return body.map((v, i) => v + at(skip, i));
    }
    case "linear": {
      const [weight, bias] = [named(values, `${path}.weight`), named(values, `${path}.bias`)];
      return result.map((_, i) => {
        const [n, o] = [Math.floor(i / out), i % out];
        let sum = at(bias, o);
        for (let c = 0; c < channels; c++) sum += at(x, n * channels + c) * at(weight, o * channels + c);
        return sum;
      });
    }
    case "batchNorm": {
      const [gamma, beta] = [named(values, `${path}.gamma`), named(values, `${path}.beta`)];
      const channel = (i: number) => Math.floor(i / area) % channels;
      const count = batch * area;
      const mean = new Array<number>(channels).fill(0);
      x.forEach((v, i) => {
        mean[channel(i)] = at(mean, channel(i)) + v / count;
      });
      const variance = new Array<number>(channels).fill(0);
      x.forEach((v, i) => {
        variance[channel(i)] = at(variance, channel(i)) + (v - at(mean, channel(i))) ** 2 / count;
      });
      return x.map((v, i) => {
        const c = channel(i);
        return (
          (at(gamma, c) * (v - at(mean, c))) / Math.sqrt(at(variance, c) + BATCH_NORM_EPSILON) + at(beta, c)
        );
      });
    }
    case "globalAvgPool":
    case "globalMaxPool":
      return result.map((_, i) => {
        const own = x.slice(i * area, (i + 1) * area);
        return layer.type === "globalMaxPool" ? Math.max(...own) : own.reduce((a, b) => a + b, 0) / area;
      });
    case "maxPool":
    case "avgPool":
      windows(layer.kernel, layer.kernel, layer.type === "maxPool" ? layer.padding : 0, (n, spot, places) => {
        for (let c = 0; c < channels; c++) {
          const own = places.map((place) => at(x, (n * channels + c) * area + place.at));
          const value =
            layer.type === "maxPool" ? Math.max(...own) : own.reduce((a, b) => a + b, 0) / own.length;
          result[(n * channels + c) * outArea + spot] = value;
        }
      });
      return result;
    case "conv": {
      const weight = named(values, `${path}.weight`);
      const bias = layer.bias ? named(values, `${path}.bias`) : undefined;
      const size = layer.kernel ** 2;
      windows(layer.kernel, layer.stride, layer.padding, (n, spot, places) => {
        for (let o = 0; o < out; o++) {
          let sum = bias ? at(bias, o) : 0;
          for (let c = 0; c < channels; c++)
            for (const place of places)
              sum +=
                at(x, (n * channels + c) * area + place.at) * at(weight, (o * channels + c) * size + place.k);
          result[(n * out + o) * outArea + spot] = sum;
        }
      });
      return result;
    }
  }
}

interface Place {
  readonly at: number;
  readonly k: number;
}

type Visit = (n: number, spot: number, places: readonly Place[]) => void;
