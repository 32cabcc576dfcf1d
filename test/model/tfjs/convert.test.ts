import assert from "node:assert/strict";
import fc from "fast-check";
import { ModelError } from "#src/errors.js";
import { ARCHITECTURES } from "#src/model/architectures/index.js";
import { Random } from "#src/model/data/random.js";
import type { EngineSetup } from "#src/model/engine/engine.js";
import { openTfjs } from "#src/model/engine/tfjs.js";
import { inferenceGraph } from "#src/model/layers/inference-graph.js";
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
import { parametersOf } from "#src/model/layers/parameters.js";
import { GraphBuilder } from "#src/model/onnx/graph.js";
import { readGraph } from "#src/model/onnx/read.js";
import { InferenceSession, Tensor } from "#src/model/onnx/runtime.js";
import { tfjsModel } from "#src/model/tfjs/index.js";

const BATCH = 3;
const CLASSES = 4;

/** Parameters of a trained network: no batch norm is the identity. */
function values(layers: readonly Layer[], input: Shape, seed: number): Map<string, Float32Array> {
  const random = new Random(seed);
  return new Map(
    parametersOf(layers, input).map(({ name, role, size, fan }) => {
      const scale = role === "weight" ? Math.sqrt(2 / fan.in) : 0.5;
      const draw = () => (role === "variance" ? 0.2 + random.next() : scale * normal(random));
      return [name, Float32Array.from({ length: size }, draw)];
    }),
  );
}

/** Largest difference between the probabilities from onnxruntime and from TensorFlow.js. */
async function difference(onnx: Uint8Array, height: number, width: number, classes: number): Promise<number> {
  const random = new Random(5);
  const x = Float32Array.from({ length: BATCH * height * width }, () => random.around(1));
  const session = await InferenceSession.create(onnx, { intraOpNumThreads: 1 });
  const result = await session.run({ input: new Tensor("float32", x, [BATCH, 1, height, width]) });
  await session.release();
  const expected = (result.probabilities ?? assert.fail("no probabilities")).data as Float32Array;

  const { json, weights } = tfjsModel(readGraph(onnx, "test"), height, width, "test");
  const setup: EngineSetup = {
    engine: "tfjs",
    provider: "cpu",
    threads: 1,
    strict: false,
    files: [json, weights],
    width,
    height,
    classes,
  };
  const backend = await openTfjs(setup);
  const own = await backend.run(x, BATCH);
  assert.equal(own.length, expected.length);
  assert.ok(
    expected.some((p) => p > 0.01 && p < 0.99),
    `probabilities say nothing: ${expected}`,
  );
  return own.reduce((worst, p, i) => Math.max(worst, Math.abs(p - (expected[i] ?? Number.NaN))), 0);
}

const NETWORKS: Record<string, Layer[]> = {
  "a convolution": [conv(5, 3), globalAvgPool(), linear(CLASSES)],
  "a convolution with bias, stride 2 and no padding": [
    conv(5, 3, { bias: true, stride: 2, padding: 0 }),
    globalAvgPool(),
    linear(CLASSES),
  ],
  "a wide convolution with stride 2": [conv(5, 5, { stride: 2 }), globalAvgPool(), linear(CLASSES)],
  "batch norm after a convolution": [conv(5, 3), batchNorm(), relu(), globalAvgPool(), linear(CLASSES)],
  "batch norm by itself": [batchNorm(), conv(5, 3), relu(), batchNorm(), globalAvgPool(), linear(CLASSES)],
  "max pooling": [conv(5, 3), maxPool(2), globalAvgPool(), linear(CLASSES)],
  "max pooling with padding, of negative numbers too": [
    conv(5, 3, { bias: true }),
    maxPool(3, 1),
    globalAvgPool(),
    linear(CLASSES),
  ],
  "max pooling with padding after relu": [
    conv(5, 3),
    relu(),
    maxPool(2, 1),
    globalAvgPool(),
    linear(CLASSES),
  ],
  "mean pooling": [conv(5, 3), avgPool(2), globalAvgPool(), linear(CLASSES)],
  "global max pooling": [conv(CLASSES, 3, { bias: true }), globalMaxPool()],
  dropout: [conv(5, 3), dropout(0.5), globalAvgPool(), dropout(0.5), linear(CLASSES)],
  "a residual block": [
    conv(4, 3),
    batchNorm(),
    relu(),
    residual(
      [conv(6, 3, { stride: 2 }), batchNorm(), relu(), conv(6, 3), batchNorm()],
      [avgPool(2), conv(6, 1), batchNorm()],
    ),
    relu(),
    residual([conv(6, 3), batchNorm()]),
    globalAvgPool(),
    linear(CLASSES),
  ],
};

const INPUT: Shape = [1, 12, 10];

/** Repeated pooling leaves nothing to pool. */
function fits(layers: readonly Layer[]): boolean {
  try {
    return chainShape(layers, INPUT).length > 0;
  } catch {
    return false;
  }
}

/** A chain of one to five layers, then the head. */
const anyNetwork = fc
  .array(
    fc.oneof(
      fc
        .record({ out: fc.integer({ min: 1, max: 6 }), kernel: fc.constantFrom(1, 3, 5), bias: fc.boolean() })
        .map(({ out, kernel, bias }) => [conv(out, kernel, { bias })]),
      fc.constant([batchNorm()]),
      fc.constant([relu()]),
      fc.constant([dropout(0.3)]),
      fc.constant([maxPool(2, 1)]),
      fc.constant([maxPool(2)]),
      fc
        .integer({ min: 1, max: 5 })
        .map((out) => [residual([conv(out, 3), batchNorm(), relu(), conv(out, 3)], [conv(out, 1)])]),
      fc.constant([residual([batchNorm(), relu()])]),
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((layers) => [...layers.flat(), globalAvgPool(), linear(CLASSES)])
  .filter(fits);

describe("a model in TensorFlow.js's layers format gives ONNX's probabilities", function () {
  this.timeout(60_000);
  for (const [name, layers] of Object.entries(NETWORKS))
    for (const mirror of [false, true])
      it(`with ${name}${mirror ? " and the mirror image" : ""}`, async () => {
        const onnx = inferenceGraph(layers, INPUT, values(layers, INPUT, 3), { mirror });
        assert.ok((await difference(onnx, 12, 10, CLASSES)) < 1e-5);
      });

  it("with any chain of layers", () =>
    fc.assert(
      fc.asyncProperty(anyNetwork, fc.nat(1000), async (layers, seed) => {
        const onnx = inferenceGraph(layers, INPUT, values(layers, INPUT, seed));
        const worst = await difference(onnx, 12, 10, CLASSES).catch((error: unknown) => {
          // Random weights may make one class certain: then there is nothing to compare.
          if (error instanceof assert.AssertionError && /say nothing/.test(error.message)) return 0;
          throw error;
        });
        assert.ok(worst < 1e-5, String(worst));
      }),
      { numRuns: 25 },
    ));

  for (const name of ["study", "small"] as const)
    it(`as the whole network ${name}`, async () => {
      const layers = ARCHITECTURES[name](7, 0.5);
      const shape: Shape = [1, 48, 48];
      assert.deepEqual([...chainShape(layers, shape)], [7]);
      assert.ok(
        (await difference(inferenceGraph(layers, shape, values(layers, shape, 1)), 48, 48, 7)) < 1e-5,
      );
    });
});

describe("what cannot become a TensorFlow.js model", () => {
  const refused = (build: (graph: GraphBuilder, x: string) => string, pattern: RegExp) => {
    const graph = new GraphBuilder("odd");
    const x = graph.input("input", ["N", 1, 8, 8]);
    graph.output("probabilities", build(graph, x), ["N", 2]);
    assert.throws(
      () => tfjsModel(readGraph(graph.encode(), "odd"), 8, 8, "odd"),
      (error) => {
        assert.ok(error instanceof ModelError);
        assert.match(error.message, pattern);
        assert.match(error.message, /^odd: [^\n]+$/);
        return true;
      },
    );
  };

  it("is reported in one line that names the node", () => {
    refused(
      (graph, x) => graph.node("Erf", [x]),
      /Erf cannot become a TF\.js layer: our networks have no such layer/,
    );
    refused((graph, x) => graph.node("Relu", [`${x}?`]), /Relu .* needs `input\?`, which is not defined/);
    refused((graph, x) => graph.node("Conv", [x, x]), /its weights `input` are not constant/);
    const weights = (graph: GraphBuilder, dims: number[]) =>
      graph.tensor(dims, new Float32Array(dims.reduce((a, b) => a * b, 1)));
    refused(
      (graph, x) => graph.node("Conv", [x, weights(graph, [2, 3, 3, 3])]),
      /\[2, 3, 3, 3\] for 1 channels/,
    );
    refused((graph, x) => graph.node("Conv", [x, weights(graph, [2, 1, 9, 9])]), /its result would be empty/);
    refused(
      (graph, x) => graph.node("Conv", [x, weights(graph, [2, 1, 3, 3])], { pads: [0, 0, 0, 2 ** 40] }),
      /pads 0,0,0,1099511627776/,
    );
    refused(
      (graph, x) => graph.node("MaxPool", [x], { kernel_shape: [2, 2], strides: [0, 0] }),
      /strides 0,0/,
    );
    refused(
      (graph, x) => graph.node("MaxPool", [x], { kernel_shape: [2, 2], dilations: [2, 2] }),
      /dilations are not supported/,
    );
    refused(
      (graph, x) => graph.node("MatMul", [x, weights(graph, [9, 8])]),
      /a matrix \[9, 8\] for rows of 8 is not supported/,
    );
    refused(
      (graph, x) => graph.node("Transpose", [x], { perm: [0, 2, 3, 1] }),
      /the order 0,2,3,1 is not supported/,
    );
    refused((graph, x) => graph.node("Concat", [x, x], { axis: 0 }), /it still contains the mirror images/);
    const doubled = (graph: GraphBuilder, x: string) => graph.node("Concat", [x, x], { axis: 0 });
    refused(
      (graph, x) => Array.from({ length: 40 }).reduce<string>((value) => doubled(graph, value), x),
      /more than a picture and its mirror image/,
    );
    refused((graph, x) => graph.node("Gemm", [x, weights(graph, [2, 8])]), /\[2, 8\] for \[8, 8, 1\]/);
  });
});
