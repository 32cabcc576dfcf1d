import { GraphBuilder } from "../onnx/graph.js";
import {
  type AvgPool,
  BATCH_NORM_EPSILON,
  type Conv,
  type Dropout,
  type Layer,
  type Linear,
  type MaxPool,
  outputShape,
  type Residual,
  type Shape,
} from "./layer.js";
import { isLearnt, type Parameter, parametersOf } from "./parameters.js";

/** Mask of a dropout layer; its values are 0 or 1 / (1 - rate). */
export interface Mask {
  readonly name: string;
  readonly rate: number;
  readonly dims: readonly number[];
}

/**
 * One training step as a graph. Inputs: `x` [B,C,H,W], `y` [B,classes] (targets times the picture's weight), every
 * learnt parameter by its name, every mask by its name. Outputs: `loss` (mean over the batch), `logits`,
 * `gradient:<parameter>`, and for batch norms `batch:<mean or variance>`.
 */
export interface TrainingGraph {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly input: Shape;
  readonly parameters: readonly Parameter[];
  readonly masks: readonly Mask[];
}

/** Result of a layer's forward pass: its value, and how a gradient passes back through it. */
interface Forward {
  readonly value: string;
  /** Emits the gradients of the layer's parameters. Returns that of its input, unless `wanted` is false. */
  readonly backward: (gradient: string, wanted: boolean) => string;
}

/** Builds forward pass, loss and backward pass from operators that every inference runtime has. */
export function trainingGraph(layers: readonly Layer[], input: Shape, batch: number): TrainingGraph {
  return new Emitter(batch).emit(layers, input);
}

const PER_CHANNEL = { axes: [0, 2, 3], keepdims: 0 };

class Emitter {
  readonly #graph = new GraphBuilder("training");
  readonly #batch: number;
  readonly #masks: Mask[] = [];
  #statistics = 0;

  constructor(batch: number) {
    this.#batch = batch;
  }

  emit(layers: readonly Layer[], input: Shape): TrainingGraph {
    const graph = this.#graph;
    const parameters = parametersOf(layers, input);
    const x = graph.input("x", [this.#batch, ...input]);
    for (const { name, dims } of parameters.filter(isLearnt)) graph.input(name, dims);
    const net = this.#chain(layers, x, input, "layers");
    const [classes] = net.shape;
    net.backward(this.#loss(net.value, classes), false);
    return { model: graph.encode(), input, parameters, masks: this.#masks };
  }

  /** Cross-entropy with soft targets. Returns its gradient with respect to the logits. */
  #loss(logits: string, classes: number): string {
    const graph = this.#graph;
    const y = graph.input("y", [this.#batch, classes]);
    const log = graph.node("LogSoftmax", [logits], { axis: 1 });
    const total = graph.node("ReduceSum", [graph.node("Mul", [y, log])], { keepdims: 0 });
    graph.output("loss", graph.node("Mul", [total, graph.scalar(-1 / this.#batch)]), []);
    graph.output("logits", logits, [this.#batch, classes]);
    const mass = graph.node("ReduceSum", [y, graph.ints([1])], { keepdims: 1 });
    const expected = graph.node("Mul", [graph.node("Softmax", [logits], { axis: 1 }), mass]);
    return graph.node("Mul", [graph.node("Sub", [expected, y]), graph.scalar(1 / this.#batch)]);
  }

  #chain(
    layers: readonly Layer[],
    value: string,
    input: Shape,
    path: string,
  ): Forward & { readonly shape: Shape } {
    const steps: Forward[] = [];
    let shape = input;
    let last = value;
    for (const [i, layer] of layers.entries()) {
      const own = `${path}.${i}`;
      const step = this.#layer(layer, last, shape, own);
      steps.push(step);
      shape = outputShape(layer, shape, own);
      last = step.value;
    }
    const backward = (gradient: string, wanted: boolean): string =>
      steps.reduceRight((g, step, i) => step.backward(g, wanted || i > 0), gradient);
    return { value: last, backward, shape };
  }

  #layer(layer: Layer, x: string, shape: Shape, path: string): Forward {
    switch (layer.type) {
      case "linear":
        return this.#linear(layer, x, shape, path);
      case "relu":
        return this.#relu(x);
      case "dropout":
        return this.#dropout(layer, x, shape, path);
      case "residual":
        return this.#residual(layer, x, shape, path);
    }
    if (shape.length !== 3) throw new RangeError(`${path}: shapes should have been checked before`);
    switch (layer.type) {
      case "conv":
        return this.#conv(layer, x, shape, path);
      case "batchNorm":
        return this.#batchNorm(x, shape, path);
      case "maxPool":
        return this.#maxPool(layer, x, shape);
      case "avgPool":
        return this.#avgPool(layer, x);
      case "globalAvgPool":
        return this.#globalAvgPool(x, shape);
      case "globalMaxPool":
        return this.#globalMaxPool(x, shape);
    }
  }

  #conv(layer: Conv, x: string, shape: readonly [number, number, number], path: string): Forward {
    const graph = this.#graph;
    const { kernel, stride, padding } = layer;
    const weight = `${path}.weight`;
    const [, height, width] = shape;
    const [, outHeight = 1, outWidth = 1] = outputShape(layer, shape, path);
    const attributes = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    };
    const value = graph.node("Conv", layer.bias ? [x, weight, `${path}.bias`] : [x, weight], attributes);
    // Trailing rows and columns that no window reached.
    const rest = [height, width].map((size) => (size + 2 * padding - kernel) % stride) as [number, number];
    const backward = (gradient: string, wanted: boolean): string => {
      this.#convWeight(layer, x, gradient, shape, [outHeight, outWidth], rest, path);
      if (layer.bias)
        this.#gradient(
          `${path}.bias`,
          graph.node("ReduceSum", [gradient, graph.ints([0, 2, 3])], { keepdims: 0 }),
          [layer.out],
        );
      return wanted ? this.#convInput(layer, gradient, weight, shape[0], rest) : "";
    };
    return { value, backward };
  }

  /**
   * The gradient of the weights is itself a convolution of the input with the output's gradient: pictures take the
   * place of channels, and the stride becomes the dilation. The input's channels lie side by side in the rows, so that
   * each row of the sum is one long run of memory: 4 times as fast as one channel after another.
   */
  #convWeight(
    { kernel, stride, padding, out }: Conv,
    x: string,
    gradient: string,
    [channels, height, width]: readonly [number, number, number],
    [outHeight, outWidth]: readonly [number, number],
    [restHeight, restWidth]: readonly [number, number],
    path: string,
  ): void {
    const graph = this.#graph;
    const last = graph.node("Transpose", [x], { perm: [0, 2, 3, 1] });
    const rows = graph.reshape(last, [1, this.#batch, height, width * channels]);
    const filter = graph.node("Transpose", [gradient], { perm: [1, 0, 2, 3] });
    const [bottom, right] = [Math.max(0, padding - restHeight), Math.max(0, padding - restWidth)];
    const sums = graph.node("Conv", [rows, filter], {
      kernel_shape: [outHeight, outWidth],
      dilations: [stride, stride * channels],
      pads: [padding, padding * channels, bottom, right * channels],
    });
    const tall = kernel + Math.max(0, restHeight - padding);
    const wide = kernel + Math.max(0, restWidth - padding);
    let apart = graph.reshape(sums, [out, tall, wide, channels]);
    if (tall > kernel || wide > kernel)
      apart = graph.node("Slice", [
        apart,
        graph.ints([0, 0]),
        graph.ints([kernel, kernel]),
        graph.ints([1, 2]),
      ]);
    const dims = [out, channels, kernel, kernel];
    this.#gradient(`${path}.weight`, graph.node("Transpose", [apart], { perm: [0, 3, 1, 2] }), dims);
  }

  /** The gradient of the input. With stride 1 it is a plain convolution with the rotated weights, which is faster. */
  #convInput(
    { kernel, stride, padding, out }: Conv,
    gradient: string,
    weight: string,
    channels: number,
    rest: readonly [number, number],
  ): string {
    const graph = this.#graph;
    const size = { kernel_shape: [kernel, kernel] };
    if (stride > 1)
      return graph.node("ConvTranspose", [gradient, weight], {
        ...size,
        strides: [stride, stride],
        pads: [padding, padding, padding, padding],
        output_padding: rest,
      });
    const pad = kernel - 1 - padding;
    const turned = this.#turned(weight, out, channels, kernel);
    return graph.node("Conv", [gradient, turned], { ...size, pads: [pad, pad, pad, pad] });
  }

  /**
   * Weights [out,in,k,k] as [in,out,k,k], each kernel rotated by 180 degrees. These steps move runs of memory: 5 times
   * as fast as `Transpose` and a backward `Slice`.
   */
  #turned(weight: string, out: number, channels: number, kernel: number): string {
    const graph = this.#graph;
    const area = kernel ** 2;
    const rows = graph.reshape(weight, [out, channels * area]);
    const columns = graph.reshape(graph.node("Transpose", [rows], { perm: [1, 0] }), [channels, area, out]);
    const backwards = graph.ints(Array.from({ length: area }, (_, i) => area - 1 - i));
    const turned = graph.node("Gather", [columns, backwards], { axis: 1 });
    const apart = graph.node("Transpose", [turned], { perm: [0, 2, 1] });
    return graph.reshape(apart, [channels, out, kernel, kernel]);
  }

  #batchNorm(x: string, [channels, height, width]: readonly [number, number, number], path: string): Forward {
    const graph = this.#graph;
    const gamma = `${path}.gamma`;
    // With momentum 0 their contents do not matter, but they must differ: onnxruntime merges equal constants, and with
    // one constant for both inputs it writes both statistics to the same place.
    const old = () => {
      this.#statistics += 1;
      return graph.tensor([channels], new Float32Array(channels).fill(this.#statistics));
    };
    const [value, mean, variance] = graph.triple(
      "BatchNormalization",
      [x, gamma, `${path}.beta`, old(), old()],
      { epsilon: { float: BATCH_NORM_EPSILON }, momentum: { float: 0 }, training_mode: 1 },
    );
    graph.output(`batch:${path}.mean`, mean, [channels]);
    graph.output(`batch:${path}.variance`, variance, [channels]);
    const backward = (gradient: string): string => {
      const sum = (of: string) =>
        graph.node("ReduceSum", [of, graph.ints(PER_CHANNEL.axes)], { keepdims: 0 });
      const mul = (a: string, b: string) => graph.node("Mul", [a, b]);
      const root = graph.node("Sqrt", [graph.node("Add", [variance, graph.scalar(BATCH_NORM_EPSILON)])]);
      const inverse = graph.node("Reciprocal", [root]);
      const beta = sum(gradient);
      const moment = graph.node("Sub", [sum(mul(gradient, x)), mul(mean, beta)]);
      const scale = mul(moment, inverse);
      this.#gradient(`${path}.beta`, beta, [channels]);
      this.#gradient(gamma, scale, [channels]);
      // gradient * a + x * b + c, with a, b, c per channel.
      const share = graph.scalar(-1 / (this.#batch * height * width));
      const a = mul(gamma, inverse);
      const b = mul(mul(mul(a, inverse), scale), share);
      const c = graph.node("Sub", [mul(mul(a, beta), share), mul(b, mean)]);
      const wide = (of: string) => graph.reshape(of, [channels, 1, 1]);
      const rest = graph.node("Add", [mul(x, wide(b)), wide(c)]);
      return graph.node("Add", [mul(gradient, wide(a)), rest]);
    };
    return { value, backward };
  }

  #relu(x: string): Forward {
    const graph = this.#graph;
    const value = graph.node("Relu", [x]);
    return { value, backward: (gradient) => graph.node("Mul", [gradient, graph.node("Sign", [value])]) };
  }

  #maxPool({ kernel, padding }: MaxPool, x: string, shape: readonly [number, number, number]): Forward {
    return this.#pool(x, shape, {
      kernel_shape: [kernel, kernel],
      strides: [kernel, kernel],
      pads: [padding, padding, padding, padding],
    });
  }

  #pool(
    x: string,
    shape: readonly [number, number, number],
    attributes: Record<string, readonly number[]>,
  ): Forward {
    const graph = this.#graph;
    const [value, places] = graph.pair("MaxPool", [x], attributes);
    const full = [this.#batch, ...shape];
    // ScatterElements over one flat axis, because MaxUnpool needs windows without padding.
    const backward = (gradient: string): string => {
      const flat = [-1];
      const zeros = graph.node("ConstantOfShape", [graph.ints([full.reduce((a, b) => a * b, 1)])]);
      const scattered = graph.node(
        "ScatterElements",
        [zeros, graph.reshape(places, flat), graph.reshape(gradient, flat)],
        { axis: 0 },
      );
      return graph.reshape(scattered, full);
    };
    return { value, backward };
  }

  #avgPool({ kernel }: AvgPool, x: string): Forward {
    const graph = this.#graph;
    const size = [kernel, kernel];
    const value = graph.node("AveragePool", [x], { kernel_shape: size, strides: size });
    const backward = (gradient: string): string => {
      const share = graph.node("Mul", [gradient, graph.scalar(1 / kernel ** 2)]);
      const scales = graph.tensor([4], Float32Array.of(1, 1, kernel, kernel));
      return graph.node("Resize", [share, "", scales], {
        mode: "nearest",
        nearest_mode: "floor",
        coordinate_transformation_mode: "asymmetric",
      });
    };
    return { value, backward };
  }

  #globalAvgPool(x: string, shape: readonly [number, number, number]): Forward {
    const graph = this.#graph;
    const [channels, height, width] = shape;
    const value = graph.reshape(graph.node("GlobalAveragePool", [x]), [this.#batch, channels]);
    const backward = (gradient: string): string => {
      const share = graph.node("Mul", [gradient, graph.scalar(1 / (height * width))]);
      const spread = graph.reshape(share, [this.#batch, channels, 1, 1]);
      return graph.node("Expand", [spread, graph.ints([this.#batch, ...shape])]);
    };
    return { value, backward };
  }

  #globalMaxPool(x: string, shape: readonly [number, number, number]): Forward {
    const [channels, height, width] = shape;
    const pool = this.#pool(x, shape, { kernel_shape: [height, width], strides: [1, 1], pads: [0, 0, 0, 0] });
    return { value: this.#graph.reshape(pool.value, [this.#batch, channels]), backward: pool.backward };
  }

  #dropout({ rate }: Dropout, x: string, shape: Shape, path: string): Forward {
    if (rate === 0) return { value: x, backward: (gradient) => gradient };
    const graph = this.#graph;
    const dims = [this.#batch, ...shape];
    const mask = graph.input(`${path}.mask`, dims);
    this.#masks.push({ name: mask, rate, dims });
    return {
      value: graph.node("Mul", [x, mask]),
      backward: (gradient) => graph.node("Mul", [gradient, mask]),
    };
  }

  #linear({ out }: Linear, x: string, [channels]: Shape, path: string): Forward {
    const graph = this.#graph;
    const weight = `${path}.weight`;
    const value = graph.node("Gemm", [x, weight, `${path}.bias`], { transB: 1 });
    const backward = (gradient: string): string => {
      this.#gradient(weight, graph.node("Gemm", [gradient, x], { transA: 1 }), [out, channels]);
      const sum = graph.node("ReduceSum", [gradient, graph.ints([0])], { keepdims: 0 });
      this.#gradient(`${path}.bias`, sum, [out]);
      return graph.node("MatMul", [gradient, weight]);
    };
    return { value, backward };
  }

  #residual({ body, skip }: Residual, x: string, shape: Shape, path: string): Forward {
    const graph = this.#graph;
    const left = this.#chain(body, x, shape, `${path}.body`);
    const right = this.#chain(skip, x, shape, `${path}.skip`);
    const backward = (gradient: string, wanted: boolean): string => {
      const both = [left.backward(gradient, wanted), right.backward(gradient, wanted)];
      return wanted ? graph.node("Add", both) : "";
    };
    return { value: graph.node("Add", [left.value, right.value]), backward };
  }

  #gradient(parameter: string, value: string, dims: readonly number[]): void {
    this.#graph.output(`gradient:${parameter}`, value, dims);
  }
}
