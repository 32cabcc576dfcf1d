import { ModelError } from "../../errors.js";
import type { GraphRead, NodeRead, Weights } from "../onnx/read.js";
import { LayersModel, type TfjsFiles, type Value } from "./layers-model.js";

/**
 * Converts an inference graph from ONNX to TF.js's layers format: input [N, height, width, 1], output `probabilities`
 * [N, classes]. It computes the same, except that channels come last in pictures and weights.
 *
 * Throws `ModelError` if the graph has something that none of our networks has.
 *
 * @param what names the model in errors
 */
export function tfjsModel(graph: GraphRead, height: number, width: number, what: string): TfjsFiles {
  return new Converter(graph, what).convert(height, width);
}

class Converter {
  readonly #graph: GraphRead;
  readonly #what: string;
  readonly #values = new Map<string, Value>();

  constructor(graph: GraphRead, what: string) {
    this.#graph = graph;
    this.#what = what;
  }

  convert(height: number, width: number): TfjsFiles {
    const shape = [height, width, 1] as const;
    const model = new LayersModel("input", shape);
    this.#values.set("input", { streams: [model.input], shape, positive: false });
    for (const node of this.#graph.nodes) this.#node(model, node);
    const output = this.#value("probabilities", "the output");
    if (output.streams.length !== 1) throw this.#cannot("the output", "it still contains the mirror images");
    return model.encode(output);
  }

  #node(model: LayersModel, node: NodeRead): void {
    const x = () => this.#value(node.inputs[0], node.op);
    if (node.op === "Split") this.#split(node, x());
    else this.#values.set(node.outputs[0] ?? "", this.#result(model, node, x));
  }

  #result(model: LayersModel, node: NodeRead, x: () => Value): Value {
    switch (node.op) {
      case "Conv":
        return this.#conv(model, node, x());
      case "Relu":
        return model.add("Activation", { activation: "relu" }, [x()], x().shape, { positive: true });
      case "Softmax":
        return this.#softmax(model, node, x());
      case "MaxPool":
      case "AveragePool":
        return this.#pool(model, node, x());
      case "GlobalMaxPool":
      case "GlobalAveragePool":
        return this.#globalPool(model, node, x());
      case "MatMul":
        return x().shape.length === 3 ? this.#alongRows(model, node, x()) : this.#dense(model, node, x());
      case "Gemm":
        return this.#dense(model, node, x());
      case "Add":
      case "Mul":
        return this.#arithmetic(model, node);
      case "Flatten":
        return this.#flatten(model, x());
      case "Identity":
      case "Dropout":
        return x();
      case "Pad":
        return this.#pad(node, x());
      case "Transpose":
        return this.#transpose(model, node, x());
      case "Concat":
        return this.#sideBySide(node);
      default:
        throw this.#cannot(node.op, "our networks have no such layer");
    }
  }

  #conv(model: LayersModel, node: NodeRead, x: Value): Value {
    const [, , channels] = this.#spatial(x, node.op);
    const { dims, data } = this.#weights(node.inputs[1], node.op);
    const [out = 0, fan = 0, tall = 0, wide = 0] = dims;
    if (dims.length !== 4 || fan !== channels || numberOf(node, "group", 1) !== 1)
      throw this.#cannot(node.op, `weights [${dims.join(", ")}] for ${channels} channels are not supported`);
    const { pads, strides } = this.#window(node);
    const kernel = { shape: [tall, wide, fan, out], data: channelsLast(data, out, fan, tall * wide) };
    const bias = node.inputs[2] ? this.#weights(node.inputs[2], node.op) : undefined;
    if (bias && bias.data.length !== out)
      throw this.#cannot(node.op, `it has ${bias.data.length} biases for ${out} outputs`);
    const padded = this.#padded(model, x, pads, 0);
    const [paddedHeight, paddedWidth] = this.#spatial(padded, node.op);
    const size = [
      outputSize(paddedHeight, tall, strides[0]),
      outputSize(paddedWidth, wide, strides[1]),
      out,
    ] as const;
    if (size.some((n) => n < 1)) throw this.#cannot(node.op, "its result would be empty");
    const config = {
      filters: out,
      kernel_size: [tall, wide],
      strides,
      padding: "valid",
      data_format: "channels_last",
      activation: "linear",
      use_bias: bias !== undefined,
    };
    const weights = bias ? { kernel, bias: { shape: [out], data: bias.data } } : { kernel };
    return model.add("Conv2D", config, [padded], size, { weights });
  }

  /** Pads with zeros; before a maximum is taken, with the edge itself if zeros could change that maximum. */
  #padded(model: LayersModel, x: Value, pads: readonly number[], around: 0 | "edge"): Value {
    const [top = 0, left = 0, bottom = 0, right = 0] = pads;
    if (pads.every((pad) => pad === 0)) return x;
    const [height, width, channels] = this.#spatial(x, "Pad");
    const shape = [height + top + bottom, width + left + right, channels] as const;
    if (around === 0 || x.positive) {
      const padding = [
        [top, bottom],
        [left, right],
      ];
      const config = { padding, data_format: "channels_last" };
      return model.add("ZeroPadding2D", config, [x], shape, { positive: x.positive });
    }
    const rows = this.#edges(model, x, 1, top, bottom);
    return this.#edges(model, rows, 2, left, right);
  }

  /** Repeats the first and the last row (axis 1) or column (axis 2). */
  #edges(model: LayersModel, x: Value, axis: 1 | 2, before: number, after: number): Value {
    const [height, width, channels] = this.#spatial(x, "Pad");
    const size = axis === 1 ? height : width;
    const crop = (first: number, last: number) => {
      const cropping = axis === 1 ? [[first, last], [0, 0]] : [[0, 0], [first, last]]; // biome-ignore format: pairs
      const shape = axis === 1 ? ([1, width, channels] as const) : ([height, 1, channels] as const);
      return model.add("Cropping2D", { cropping, data_format: "channels_last" }, [x], shape);
    };
    const pieces = [
      ...(before > 0 ? new Array<Value>(before).fill(crop(0, size - 1)) : []),
      x,
      ...(after > 0 ? new Array<Value>(after).fill(crop(size - 1, 0)) : []),
    ];
    if (pieces.length === 1) return x;
    const total = size + before + after;
    const shape = axis === 1 ? ([total, width, channels] as const) : ([height, total, channels] as const);
    return model.add("Concatenate", { axis }, pieces, shape);
  }

  #pool(model: LayersModel, node: NodeRead, x: Value): Value {
    const { pads, strides, kernel } = this.#window(node);
    const max = node.op === "MaxPool";
    if (numberOf(node, "ceil_mode", 0) !== 0) throw this.#cannot(node.op, "rounding up is not supported");
    if (!max && pads.some((pad) => pad !== 0)) throw this.#cannot(node.op, "padding is not supported");
    const padded = this.#padded(model, x, pads, "edge");
    const [height, width, channels] = this.#spatial(padded, node.op);
    const [tall = 1, wide = 1] = kernel;
    const shape = [
      outputSize(height, tall, strides[0]),
      outputSize(width, wide, strides[1]),
      channels,
    ] as const;
    const config = { pool_size: kernel, strides, padding: "valid", data_format: "channels_last" };
    const kind = max ? "MaxPooling2D" : "AveragePooling2D";
    return model.add(kind, config, [padded], shape, { positive: x.positive });
  }

  #globalPool(model: LayersModel, node: NodeRead, x: Value): Value {
    const [, , channels] = this.#spatial(x, node.op);
    const kind = node.op === "GlobalMaxPool" ? "GlobalMaxPooling2D" : "GlobalAveragePooling2D";
    const config = { data_format: "channels_last" };
    return model.add(kind, config, [x], [channels], { positive: x.positive });
  }

  #softmax(model: LayersModel, node: NodeRead, x: Value): Value {
    const axis = numberOf(node, "axis", -1);
    if (x.shape.length !== 1 || (axis !== 1 && axis !== -1))
      throw this.#cannot(node.op, `axis ${axis} is not supported`);
    return model.add("Activation", { activation: "softmax" }, [x], x.shape, { positive: true });
  }

  #dense(model: LayersModel, node: NodeRead, x: Value): Value {
    const { dims, data } = this.#weights(node.inputs[1], node.op);
    const turned = node.op === "Gemm" && numberOf(node, "transB", 0) === 1;
    const [rows = 0, columns = 0] = dims;
    const [units, fan] = turned ? [rows, columns] : [columns, rows];
    const plain = ["alpha", "beta"].every((name) => numberOf(node, name, 1) === 1);
    if (x.shape.length !== 1 || dims.length !== 2 || fan !== x.shape[0] || !plain)
      throw this.#cannot(
        node.op,
        `weights [${dims.join(", ")}] for [${x.shape.join(", ")}] are not supported`,
      );
    const kernel = { shape: [fan, units], data: turned ? channelsLast(data, units, fan, 1) : data };
    const bias = node.inputs[2] ? this.#weights(node.inputs[2], node.op) : undefined;
    if (bias && bias.data.length !== units)
      throw this.#cannot(node.op, `it has ${bias.data.length} biases for ${units} outputs`);
    const config = { units, activation: "linear", use_bias: bias !== undefined };
    const weights = bias ? { kernel, bias: { shape: [units], data: bias.data } } : { kernel };
    return model.add("Dense", config, [x], [units], { weights });
  }

  /** Adds two values; or scales or shifts one by a constant, which is what remains of a batch norm. */
  #arithmetic(model: LayersModel, node: NodeRead): Value {
    const [a = "", b = ""] = node.inputs;
    const constant = this.#graph.weights.get(b) ?? this.#graph.weights.get(a);
    const x = this.#value(this.#graph.weights.has(a) ? b : a, node.op);
    if (constant) return this.#scaleOrShift(model, node.op, x, constant);
    const y = this.#value(b, node.op);
    if (node.op === "Mul" || x.shape.join() !== y.shape.join() || x.streams.length !== y.streams.length)
      throw this.#cannot(node.op, `[${x.shape.join(", ")}] with [${y.shape.join(", ")}] is not supported`);
    return model.add("Add", {}, [x, y], x.shape, { positive: x.positive && y.positive });
  }

  #scaleOrShift(model: LayersModel, op: string, x: Value, { dims, data }: Weights): Value {
    const channels = x.shape.at(-1) ?? 0;
    const perChannel = x.shape.length === 1 ? dims.at(-1) : dims.at(-3);
    if (data.length !== 1 && (data.length !== channels || perChannel !== channels))
      throw this.#cannot(op, `a constant [${dims.join(", ")}] for ${channels} channels is not supported`);
    const full = (values: Float32Array | number) => ({
      shape: [channels],
      data: typeof values === "number" ? new Float32Array(channels).fill(values) : values,
    });
    const values = full(data.length === 1 ? (data[0] ?? 0) : data);
    const scale = op === "Mul";
    const config = { axis: -1, epsilon: 0, momentum: 0.99, center: !scale, scale };
    const weights = {
      ...(scale ? { gamma: values } : { beta: values }),
      moving_mean: full(0),
      moving_variance: full(1),
    };
    const positive = x.positive && values.data.every((value) => value >= 0);
    return model.add("BatchNormalization", config, [x], x.shape, { weights, positive });
  }

  /** ONNX flattens with channels first. */
  #flatten(model: LayersModel, x: Value): Value {
    if (x.shape.length === 1) return x;
    const [height, width, channels] = x.shape;
    const first =
      channels === 1 ? x : model.add("Permute", { dims: [3, 1, 2] }, [x], [channels, height, width]);
    return model.add("Flatten", {}, [first], [height * width * channels], { positive: x.positive });
  }

  /** Accepts only a padding of 0, which exporters leave behind. */
  #pad(node: NodeRead, x: Value): Value {
    const pads = node.attributes.get("pads");
    const none = Array.isArray(pads)
      ? pads.every((amount) => amount === 0)
      : this.#graph.integers.get(node.inputs[1] ?? "")?.data.every((amount) => amount === 0n);
    if (!none) throw this.#cannot("Pad", "padding is not supported");
    return x;
  }

  /** Each row of a picture times a matrix: how a picture becomes its mirror image. */
  #alongRows(model: LayersModel, node: NodeRead, x: Value): Value {
    const [height, width, channels] = this.#spatial(x, node.op);
    const { dims, data } = this.#weights(node.inputs[1], node.op);
    const [fan = 0, units = 0] = dims;
    if (dims.length !== 2 || fan !== width)
      throw this.#cannot(node.op, `a matrix [${dims.join(", ")}] for rows of ${width} is not supported`);
    const turned = model.add("Permute", { dims: [1, 3, 2] }, [x], [height, channels, width]);
    const config = { units, activation: "linear", use_bias: false };
    const kernel = { shape: [fan, units], data };
    const rows = model.add("Dense", config, [turned], [height, channels, units], { weights: { kernel } });
    return model.add("Permute", { dims: [1, 3, 2] }, [rows], [height, units, channels]);
  }

  /** Exchanges rows and columns. */
  #transpose(model: LayersModel, node: NodeRead, x: Value): Value {
    const [height, width, channels] = this.#spatial(x, node.op);
    const perm = String(node.attributes.get("perm"));
    if (perm !== "0,1,3,2") throw this.#cannot(node.op, `the order ${perm} is not supported`);
    const shape = [width, height, channels] as const;
    return model.add("Permute", { dims: [2, 1, 3] }, [x], shape, { positive: x.positive });
  }

  /** Pictures and mirror images in one batch become streams of one value. */
  #sideBySide(node: NodeRead): Value {
    const [x, y] = node.inputs.map((name) => this.#value(name, node.op));
    if (numberOf(node, "axis", 0) !== 0 || node.inputs.length !== 2 || !x || !y)
      throw this.#cannot(node.op, "only a picture and its mirror image in one batch are supported");
    if (x.shape.join() !== y.shape.join()) throw this.#cannot(node.op, "its inputs have different shapes");
    // There can only be two: by doubling again and again, a small file could fill the memory.
    if (x.streams.length + y.streams.length > 2)
      throw this.#cannot(node.op, "more than a picture and its mirror image in one batch is not supported");
    return { streams: [...x.streams, ...y.streams], shape: x.shape, positive: x.positive && y.positive };
  }

  #split(node: NodeRead, x: Value): void {
    if (numberOf(node, "axis", 0) !== 0 || node.outputs.length !== x.streams.length)
      throw this.#cannot(node.op, "only a picture and its mirror image are supported");
    for (const [i, name] of node.outputs.entries())
      this.#values.set(name, { ...x, streams: x.streams.slice(i, i + 1) });
  }

  /** How a kernel moves over a picture; `pads` are top, left, bottom, right. */
  #window(node: NodeRead) {
    const list = (name: string, usual: readonly number[], least: number) => {
      const value = node.attributes.get(name) ?? usual;
      if (
        typeof value !== "object" ||
        !("length" in value) ||
        value.length !== usual.length ||
        !value.every((n) => n >= least && n <= 512)
      )
        throw this.#cannot(node.op, `${name} ${String(value)} is not supported`);
      return value;
    };
    if (!["NOTSET", undefined].includes(node.attributes.get("auto_pad") as string | undefined))
      throw this.#cannot(node.op, "padding by name is not supported");
    if (list("dilations", [1, 1], 1).some((d) => d !== 1))
      throw this.#cannot(node.op, "dilations are not supported");
    const [down = 1, right = 1] = list("strides", [1, 1], 1);
    return {
      kernel: list("kernel_shape", [1, 1], 1),
      pads: list("pads", [0, 0, 0, 0], 0),
      strides: [down, right] as const,
    };
  }

  #value(name: string | undefined, op: string): Value {
    const value = this.#values.get(name ?? "");
    if (!value) throw this.#cannot(op, `it needs \`${name ?? ""}\`, which is not defined`);
    return value;
  }

  #weights(name: string | undefined, op: string): Weights {
    const weights = this.#graph.weights.get(name ?? "");
    if (!weights) throw this.#cannot(op, `its weights \`${name ?? ""}\` are not constant`);
    return weights;
  }

  #spatial({ shape }: Value, op: string): readonly [number, number, number] {
    if (shape.length !== 3) throw this.#cannot(op, `it needs height and width, not [${shape.join(", ")}]`);
    return shape;
  }

  #cannot(op: string, why: string): ModelError {
    return new ModelError("MODEL_TFJS", `${this.#what}: ${op} cannot become a TF.js layer: ${why}`);
  }
}

function numberOf(node: NodeRead, name: string, usual: number): number {
  const value = node.attributes.get(name);
  if (typeof value === "object" && "float" in value) return value.float;
  return typeof value === "number" ? value : usual;
}

function outputSize(size: number, kernel: number, stride: number): number {
  return Math.floor((size - kernel) / stride) + 1;
}

/** [out, fan, area] becomes [area, fan, out]. */
function channelsLast(data: Float32Array, out: number, fan: number, area: number): Float32Array {
  const turned = new Float32Array(data.length);
  for (let o = 0; o < out; o++)
    for (let f = 0; f < fan; f++)
      for (let k = 0; k < area; k++) turned[(k * fan + f) * out + o] = data[(o * fan + f) * area + k] ?? 0;
  return turned;
}
