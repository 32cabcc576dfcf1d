import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { ModelError } from "#src/errors.js";
import { GraphBuilder } from "#src/model/onnx/graph.js";
import { readGraph } from "#src/model/onnx/read.js";
import { tinyOnnx, tinyWeights } from "../../support/tiny-model.js";

function sample(): Uint8Array {
  const graph = new GraphBuilder("sample");
  const x = graph.input("x", ["N", 2]);
  const shift = graph.tensor([2], Float32Array.of(0.5, -3));
  graph.output("y", graph.node("Add", [x, shift]), ["N", 2]);
  return graph.encode();
}

describe("readGraph", () => {
  it("reads back what our own writer wrote", () => {
    const { nodes, weights } = readGraph(sample(), "sample");
    assert.deepEqual(
      nodes.map(({ op }) => op),
      ["Add", "Identity"],
    );
    const [, shift = ""] = nodes[0]?.inputs ?? [];
    assert.deepEqual(weights.get(shift), { dims: [2], data: Float32Array.of(0.5, -3) });
  });

  it("names the options that it does not read", () => {
    const text = (field: number, value: string) => [field * 8 + 2, value.length, ...Buffer.from(value)];
    const fractions = [...text(1, "scales"), 7 * 8 + 5, ...new Uint8Array(Float32Array.of(2).buffer)];
    const node = [...text(4, "Upsample"), 5 * 8 + 2, fractions.length, ...fractions];
    const graph = [1 * 8 + 2, node.length, ...node];
    const { nodes } = readGraph(Uint8Array.of(7 * 8 + 2, graph.length, ...graph), "odd");
    assert.deepEqual(nodes[0]?.unread, ["scales"]);
    assert.deepEqual(readGraph(sample(), "sample").nodes[0]?.unread, []);
  });

  it("reads a file made by another writer", () => {
    const { nodes, weights } = readGraph(tinyOnnx(tinyWeights()), "tiny");
    assert.deepEqual(
      nodes.map(({ op }) => op),
      ["Flatten", "MatMul", "Softmax"],
    );
    assert.deepEqual(weights.get("weights")?.data, tinyWeights());
  });

  it("finds every weight of the shipped model", async () => {
    const bytes = await readFile(new URL("../../../models/fer2013-small/model.onnx", import.meta.url));
    const { nodes, weights } = readGraph(bytes, "fer2013-small");
    for (const { op, inputs } of nodes.filter(({ op }) => op === "Conv" || op === "Gemm"))
      for (const name of inputs.slice(1)) assert(weights.has(name), `${op}: ${name}`);
  });

  it("refuses a file truncated anywhere, in one line that names it", () => {
    const whole = sample();
    for (let length = 0; length < whole.length; length++)
      try {
        // A cut between two fields leaves a valid file of fewer parts: it must then contain less, not something else.
        const { weights } = readGraph(whole.subarray(0, length), "cut.onnx");
        for (const { dims, data } of weights.values()) assert.equal(data.length, dims[0]);
      } catch (error) {
        assert(error instanceof ModelError, String(error));
        assert.match(error.message, /^cut\.onnx: not an ONNX model: [^\n]+$/);
      }
  });

  it("never returns a constant that does not match its shape, whatever the bytes", () => {
    const whole = sample();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (edits) => {
          const bytes = whole.slice();
          for (const [at, value] of edits) bytes[at] = value;
          try {
            for (const { dims, data } of readGraph(bytes, "edited").weights.values())
              assert.equal(
                data.length,
                dims.reduce((a, b) => a * b, 1),
              );
          } catch (error) {
            assert(error instanceof ModelError, String(error));
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
