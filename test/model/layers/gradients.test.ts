import assert from "node:assert/strict";
import { Random } from "#src/model/data/random.js";
import { normal } from "#src/model/layers/initial.js";
import {
  avgPool,
  batchNorm,
  chainShape,
  conv,
  dropout,
  globalAvgPool,
  globalMaxPool,
  type Layer,
  linear,
  maxPool,
  relu,
  residual,
  type Shape,
} from "#src/model/layers/layer.js";
import { isLearnt } from "#src/model/layers/parameters.js";
import { trainingGraph } from "#src/model/layers/training-graph.js";
import { InferenceSession, Tensor } from "#src/model/onnx/runtime.js";
import { referenceLoss } from "./reference.js";

const BATCH = 3;
const STEP = 1e-5;
/** Largest difference from the finite difference, relative to the parameter's largest gradient. */
const TOLERANCE = 1e-3;

const NETWORKS: Record<string, { layers: Layer[]; input?: Shape }> = {
  "a convolution": { layers: [conv(4, 3), conv(3, 3), globalAvgPool()] },
  "a convolution with bias": {
    layers: [conv(4, 3, { bias: true }), conv(3, 3, { bias: true }), globalAvgPool()],
  },
  "a convolution without padding": {
    layers: [conv(4, 3, { padding: 0 }), conv(3, 5, { padding: 0 }), globalAvgPool()],
    input: [2, 9, 8],
  },
  "a convolution with stride 2 that leaves a remainder": {
    layers: [conv(3, 3), conv(4, 3, { stride: 2 }), globalAvgPool()],
    input: [2, 8, 6],
  },
  "a convolution with stride 2 without a remainder": {
    layers: [conv(3, 3), conv(4, 3, { stride: 2 }), globalAvgPool()],
    input: [2, 7, 7],
  },
  "a 1x1 convolution with stride 2": {
    layers: [conv(3, 3), conv(4, 1, { stride: 2 }), globalAvgPool()],
    input: [2, 6, 8],
  },
  "batch norm": { layers: [conv(4, 3), batchNorm(), relu(), linearHead()].flat() },
  relu: { layers: [conv(4, 3), relu(), conv(3, 3), globalAvgPool()] },
  "max pooling": { layers: [conv(4, 3), maxPool(2), conv(3, 3), globalAvgPool()] },
  "max pooling with padding": { layers: [conv(4, 3), maxPool(2, 1), conv(3, 3), globalAvgPool()] },
  "max pooling that leaves a remainder": {
    layers: [conv(4, 3), maxPool(2), conv(3, 3), globalAvgPool()],
    input: [2, 7, 5],
  },
  "mean pooling": { layers: [conv(4, 3), avgPool(2), conv(3, 3), globalAvgPool()] },
  "global max pooling": { layers: [conv(3, 3), globalMaxPool()] },
  dropout: { layers: [conv(4, 3), dropout(0.5), conv(3, 3), globalAvgPool()] },
  linear: { layers: [conv(4, 3), globalAvgPool(), linear(5), linear(3)] },
  "a residual block": {
    layers: [
      conv(4, 3),
      residual(
        [conv(6, 3, { stride: 2 }), batchNorm(), relu(), conv(6, 3), batchNorm()],
        [avgPool(2), conv(6, 1), batchNorm()],
      ),
      relu(),
      residual([conv(6, 3), batchNorm()]),
      ...linearHead(),
    ],
  },
};

function linearHead(): Layer[] {
  return [globalAvgPool(), linear(3)];
}

describe("the training graph's gradients equal finite differences in double precision", () => {
  for (const [name, { layers, input = [2, 6, 8] as Shape }] of Object.entries(NETWORKS))
    it(`of ${name}`, () => check(layers, input));
});

async function check(layers: readonly Layer[], input: Shape): Promise<void> {
  const graph = trainingGraph(layers, input, BATCH);
  const random = new Random(7);
  const draw = (size: number) => Float32Array.from({ length: size }, () => normal(random));
  const [classes] = chainShape(layers, input);
  const tensors = new Map<string, Tensor>();
  const put = (tensor: string, data: Float32Array, dims: readonly number[]) =>
    tensors.set(tensor, new Tensor("float32", data, dims));
  put("x", draw(BATCH * input.reduce((a, b) => a * b, 1)), [BATCH, ...input]);
  // Weighted soft targets: rows need not sum to 1.
  put("y", draw(BATCH * classes).map(Math.abs), [BATCH, classes]);
  const learnt = graph.parameters.filter(isLearnt);
  for (const { name, size, dims } of learnt) put(name, draw(size), dims);
  for (const { name, rate, dims } of graph.masks)
    put(
      name,
      Float32Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () =>
        random.next() < rate ? 0 : 1 / (1 - rate),
      ),
      dims,
    );
  const session = await InferenceSession.create(graph.model, { intraOpNumThreads: 1 });
  const results = await session.run(Object.fromEntries(tensors));
  await session.release();
  const plain = new Map([...tensors].map(([name, { data }]) => [name, Array.from(data as Float32Array)]));
  const lossWith = (values: ReadonlyMap<string, readonly number[]>) =>
    referenceLoss({ layers, input, batch: BATCH, x: plain.get("x") ?? [], y: plain.get("y") ?? [], values });
  const loss = lossWith(plain);
  const own = Number(results.loss?.data[0]);
  assert.ok(Math.abs(own - loss) < 1e-4 * Math.max(1, loss), `loss ${own}, not ${loss}`);
  for (const { name, size } of learnt) {
    const gradient = Array.from((results[`gradient:${name}`]?.data ?? []) as Float32Array);
    assert.equal(gradient.length, size, name);
    const scale = Math.max(1e-3, ...gradient.map(Math.abs));
    // Every seventh number and the first ones, to cover each kernel position and channel.
    for (let i = 0; i < size; i += i < 12 ? 1 : 7) {
      const values = plain.get(name) ?? [];
      const nudged = (by: number) =>
        lossWith(new Map(plain).set(name, values.with(i, (values[i] ?? 0) + by)));
      const difference = (nudged(STEP) - nudged(-STEP)) / (2 * STEP);
      const error = Math.abs((gradient[i] ?? Number.NaN) - difference) / scale;
      assert.ok(error < TOLERANCE, `${name}[${i}]: ${gradient[i]}, not ${difference}`);
    }
  }
}
