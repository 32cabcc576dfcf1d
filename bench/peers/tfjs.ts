// The same network and weights on TensorFlow.js's wasm backend, through its fused convolutions: the fastest way there.
//   tfjs.ts MODEL.onnx    answers {"n","times","crops"?} with {"seconds","cpuSeconds","probabilities"?}
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import * as tf from "@tensorflow/tfjs-core";
import { type ReadNode, readOnnx } from "./onnx.js";

const { resolve } = createRequire(import.meta.url);
setWasmPaths(join(dirname(resolve("@tensorflow/tfjs-backend-wasm")), "/"));
await tf.setBackend("wasm");

const { nodes, constants } = readOnnx(readFileSync(process.argv[2] ?? ""));
const weights = new Map([...constants].map(([name, { dims, data }]) => [name, tf.tensor(data, [...dims])]));
/** Kernels in TensorFlow.js's layout, created once. */
const kernels = new Map<string, tf.Tensor4D>();
for (const { op, inputs } of nodes) {
  const name = inputs[1] ?? "";
  if (op === "Conv") kernels.set(name, tf.transpose(named(weights, name), [2, 3, 1, 0]) as tf.Tensor4D);
}

type Values = Map<string, tf.Tensor>;

function named(values: Values, name: string | undefined): tf.Tensor {
  const value = values.get(name ?? "");
  if (!value) throw new Error(`the graph has no value ${name}`);
  return value;
}

/** [n, height, width, 1] to [n, classes]. */
function predict(input: tf.Tensor4D): tf.Tensor {
  return tf.tidy(() => {
    const values: Values = new Map(weights);
    values.set("input", input);
    for (let i = 0; i < nodes.length; i++) {
      const node = nodes[i];
      if (!node) break;
      const next = nodes[i + 1];
      if (node.op === "Split") {
        const both = tf.split(named(values, node.inputs[0]), 2);
        for (const [k, name] of node.outputs.entries()) values.set(name, both[k] as tf.Tensor);
        continue;
      }
      const fuses = node.op === "Conv" && next?.op === "Relu" && next.inputs[0] === node.outputs[0];
      if (fuses) i++;
      values.set((fuses ? next : node).outputs[0] ?? "", apply(node, values, fuses));
    }
    return named(values, "probabilities");
  });
}

function apply({ op, inputs, ints }: ReadNode, values: Values, relu: boolean): tf.Tensor {
  if (op === "Constant") return tf.scalar(0); // only the sizes of the empty `Pad`s that PyTorch writes
  const x = named(values, inputs[0]) as tf.Tensor4D;
  const size = ints("kernel_shape") as [number, number];
  const strides = ints("strides") as [number, number];
  const [top = 0, left = 0, bottom = 0, right = 0] = ints("pads");
  switch (op) {
    case "Conv": {
      const filter = kernels.get(inputs[1] ?? "");
      if (!filter) throw new Error(`the graph has no kernel ${inputs[1]}`);
      const same = size[0] === 2 * top + 1 && strides[0] === 1;
      return tf.fused.conv2d({
        x:
          same || top === 0
            ? x
            : tf.pad4d(x, [
                [0, 0],
                [top, bottom],
                [left, right],
                [0, 0],
              ]),
        filter,
        strides,
        pad: same ? "same" : "valid",
        bias: named(values, inputs[2]),
        ...(relu && { activation: "relu" as const }),
      });
    }
    case "Relu":
      return tf.relu(x);
    case "Add":
      return tf.add(x, named(values, inputs[1]));
    case "Mul":
      return tf.mul(x, named(values, inputs[1]));
    case "Concat":
      return tf.concat([x, named(values, inputs[1]) as tf.Tensor4D], 0);
    case "Transpose":
      return tf.transpose(x, [0, 2, 1, 3]);
    case "MatMul": {
      const [n, height, width] = x.shape;
      const rows = tf.matMul(tf.reshape(x, [n * height, width]), named(values, inputs[1]));
      return tf.reshape(rows, [n, height, -1, 1]);
    }
    case "AveragePool":
      return tf.avgPool(x, size, strides, "valid");
    case "GlobalAveragePool":
      return tf.mean(x, [1, 2], true);
    case "Flatten":
      return tf.reshape(x, [x.shape[0], -1]);
    case "Gemm":
      return tf.add(
        tf.matMul(x as tf.Tensor, named(values, inputs[1]), false, true),
        named(values, inputs[2]),
      );
    case "Softmax":
      return tf.softmax(x as tf.Tensor);
    case "Identity":
    case "Pad":
      return tf.clone(x);
    default:
      throw new Error(`this script does not support the graph's operator ${op}`);
  }
}

console.log(JSON.stringify({ ready: { backend: tf.getBackend() } }));
for await (const line of createInterface({ input: process.stdin })) {
  const { n, times, crops } = JSON.parse(line) as { n: number; times: number; crops: number[] };
  const input = tf.tensor4d(crops, [n, 48, 48, 1]);
  const cpu = process.cpuUsage();
  const begin = performance.now();
  let probabilities: number[] = [];
  for (let i = 0; i < times; i++) {
    const output = predict(input);
    probabilities = [...(await output.data())];
    output.dispose();
  }
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  input.dispose();
  console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, probabilities }));
}
