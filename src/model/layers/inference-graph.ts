import { ModelError } from "../../errors.js";
import { GraphBuilder } from "../onnx/graph.js";
import { BATCH_NORM_EPSILON, type Conv, chainShape, type Layer, outputShape, type Shape } from "./layer.js";
import type { Values } from "./parameters.js";

/**
 * The network for use: input `input` [N,C,H,W], outputs `logits` and `probabilities` [N,classes].
 * Batch norm after a convolution is folded into it.
 */
export function inferenceGraph(
  layers: readonly Layer[],
  input: Shape,
  values: Values,
): Uint8Array<ArrayBuffer> {
  const graph = new GraphBuilder("inference");
  const x = graph.input("input", ["N", ...input]);
  const logits = new Emitter(graph, values).chain(layers, x, input, "layers");
  const [classes] = chainShape(layers, input);
  graph.output("logits", logits, ["N", classes]);
  graph.output("probabilities", graph.node("Softmax", [logits], { axis: 1 }), ["N", classes]);
  return graph.encode();
}

/** Scale and shift by channel that stand for a trained batch norm. */
export function foldedNorm(values: Values, path: string): { scale: Float32Array; shift: Float32Array } {
  const gamma = tensorOf(values, `${path}.gamma`);
  const beta = tensorOf(values, `${path}.beta`);
  const mean = tensorOf(values, `${path}.mean`);
  const variance = tensorOf(values, `${path}.variance`);
  const scale = gamma.map((g, i) => g / Math.sqrt((variance[i] ?? 0) + BATCH_NORM_EPSILON));
  return { scale, shift: beta.map((b, i) => b - (mean[i] ?? 0) * (scale[i] ?? 0)) };
}

export function tensorOf(values: Values, name: string): Float32Array {
  const value = values.get(name);
  if (!value)
    throw new ModelError("PARAMETER", `the weights lack \`${name}\`: they belong to another network`);
  return value;
}

class Emitter {
  readonly #graph: GraphBuilder;
  readonly #values: Values;

  constructor(graph: GraphBuilder, values: Values) {
    this.#graph = graph;
    this.#values = values;
  }

  chain(layers: readonly Layer[], value: string, input: Shape, path: string): string {
    let shape = input;
    let last = value;
    for (const [i, layer] of layers.entries()) {
      const own = `${path}.${i}`;
      const before = layers[i - 1];
      const after = layers[i + 1];
      if (layer.type === "conv") {
        const norm = after?.type === "batchNorm" ? `${path}.${i + 1}` : undefined;
        last = this.#conv(layer, last, shape[0], own, norm);
      } else if (layer.type !== "batchNorm" || before?.type !== "conv")
        last = this.#layer(layer, last, shape, own);
      shape = outputShape(layer, shape, own);
    }
    return last;
  }

  #conv(layer: Conv, x: string, channels: number, path: string, norm: string | undefined): string {
    const graph = this.#graph;
    const { out, kernel, stride, padding } = layer;
    let weight = tensorOf(this.#values, `${path}.weight`);
    let bias = layer.bias ? tensorOf(this.#values, `${path}.bias`) : new Float32Array(out);
    if (norm) {
      const { scale, shift } = foldedNorm(this.#values, norm);
      const fan = channels * kernel ** 2;
      weight = weight.map((w, i) => w * (scale[Math.floor(i / fan)] ?? 0));
      bias = bias.map((b, i) => b * (scale[i] ?? 0) + (shift[i] ?? 0));
    }
    const inputs = [x, graph.floats([out, channels, kernel, kernel], weight), graph.floats([out], bias)];
    return graph.node("Conv", inputs, {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [padding, padding, padding, padding],
    });
  }

  #layer(layer: Exclude<Layer, Conv>, x: string, shape: Shape, path: string): string {
    const graph = this.#graph;
    switch (layer.type) {
      case "batchNorm": {
        const { scale, shift } = foldedNorm(this.#values, path);
        const dims = [shape[0], 1, 1];
        return graph.node("Add", [
          graph.node("Mul", [x, graph.floats(dims, scale)]),
          graph.floats(dims, shift),
        ]);
      }
      case "relu":
        return graph.node("Relu", [x]);
      case "dropout":
        return x;
      case "maxPool":
      case "avgPool": {
        const size = [layer.kernel, layer.kernel];
        const pad = layer.type === "maxPool" ? layer.padding : 0;
        const op = layer.type === "maxPool" ? "MaxPool" : "AveragePool";
        return graph.node(op, [x], { kernel_shape: size, strides: size, pads: [pad, pad, pad, pad] });
      }
      case "globalAvgPool":
        return graph.node("Flatten", [graph.node("GlobalAveragePool", [x])]);
      case "globalMaxPool":
        return graph.node("Flatten", [graph.node("GlobalMaxPool", [x])]);
      case "linear": {
        const weight = graph.floats([layer.out, shape[0]], tensorOf(this.#values, `${path}.weight`));
        const bias = graph.floats([layer.out], tensorOf(this.#values, `${path}.bias`));
        return graph.node("Gemm", [x, weight, bias], { transB: 1 });
      }
      case "residual": {
        const body = this.chain(layer.body, x, shape, `${path}.body`);
        return graph.node("Add", [body, this.chain(layer.skip, x, shape, `${path}.skip`)]);
      }
    }
  }
}
