import { createHash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ModelCard } from "#src/model/card.js";

/** Pixels along each side of the tiny model's input. */
export const TINY_SIZE = 8;

// Just enough of protocol buffers to write an ONNX file by hand, so that the engine is not tested with a file that
// our own exporter made.
const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const number = (field: number, value: number) => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, value: Iterable<number>) => {
  const content = [...value];
  return [...varint(field * 8 + 2), ...varint(content.length), ...content];
};
const text = (field: number, value: string) => bytes(field, Buffer.from(value));

const node = (op: string, inputs: string[], output: string, more: number[] = []) =>
  bytes(1, [...inputs.flatMap((input) => text(1, input)), ...text(2, output), ...text(4, op), ...more]);
const tensor = (name: string, dims: number[], data: Float32Array) =>
  bytes(5, [
    ...dims.flatMap((dim) => number(1, dim)),
    ...number(2, 1),
    ...text(8, name),
    ...bytes(9, new Uint8Array(data.buffer)),
  ]);
const value = (field: number, name: string, dims: (number | string)[], type = 1) => {
  const shape = dims.flatMap((dim) => bytes(1, typeof dim === "string" ? text(2, dim) : number(1, dim)));
  return bytes(field, [...text(1, name), ...bytes(2, bytes(1, [...number(1, type), ...bytes(2, shape)]))]);
};

/** A graph as an attribute of a node. */
const inner = (name: string, graph: number[]) =>
  bytes(5, [...text(1, name), ...bytes(6, [...graph, ...text(2, name)]), ...number(20, 5)]);

/** A classifier whose logits pass through a loop that never ends, itself a branch of an `If` where `hidden`. */
export function endlessOnnx(hidden: boolean): Uint8Array {
  const [float, int64, bool] = [1, 7, 9];
  const body = [
    ...node("Identity", ["on"], "still"),
    ...node("Identity", ["x"], "same"),
    ...value(11, "i", [], int64),
    ...value(11, "on", [], bool),
    ...value(11, "x", ["N", 3], float),
    ...value(12, "still", [], bool),
    ...value(12, "same", ["N", 3], float),
  ];
  const loop = (output: string) => node("Loop", ["", "", "logits"], output, inner("body", body));
  const branch = (name: string) => inner(name, [...loop(name), ...value(12, name, ["N", 3])]);
  const graph = [
    ...node("Flatten", ["input"], "flat"),
    ...node("MatMul", ["flat", "weights"], "logits"),
    ...(hidden
      ? [
          ...node(
            "ReduceMax",
            ["logits"],
            "most",
            bytes(5, [...text(1, "keepdims"), ...number(3, 0), ...number(20, 2)]),
          ),
          ...node(
            "Cast",
            ["most"],
            "any",
            bytes(5, [...text(1, "to"), ...number(3, bool), ...number(20, 2)]),
          ),
          ...node("If", ["any"], "looped", [...branch("then_branch"), ...branch("else_branch")]),
        ]
      : loop("looped")),
    ...node("Softmax", ["looped"], "probabilities"),
    ...text(2, "endless"),
    ...tensor("weights", [TINY_SIZE * TINY_SIZE, 3], tinyWeights()),
    ...value(11, "input", ["N", 1, TINY_SIZE, TINY_SIZE]),
    ...value(12, "probabilities", ["N", 3]),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}

/** A linear classifier of `weights` ([64, classes]), as the bytes of an ONNX file with opset 13. */
export function tinyOnnx(weights: Float32Array): Uint8Array {
  const pixels = TINY_SIZE * TINY_SIZE;
  const classes = weights.length / pixels;
  const graph = [
    ...node("Flatten", ["input"], "flat"),
    ...node("MatMul", ["flat", "weights"], "logits"),
    ...node("Softmax", ["logits"], "probabilities"),
    ...text(2, "tiny"),
    ...tensor("weights", [pixels, classes], weights),
    ...value(11, "input", ["N", 1, TINY_SIZE, TINY_SIZE]),
    ...value(12, "logits", ["N", classes]),
    ...value(12, "probabilities", ["N", classes]),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 13))]);
}

/** Weights that tell a picture whose left half is brighter, whose right half is, and one that is bright all over. */
export function tinyWeights(): Float32Array {
  const weights = new Float32Array(TINY_SIZE * TINY_SIZE * 3);
  for (let pixel = 0; pixel < TINY_SIZE * TINY_SIZE; pixel++) {
    const side = pixel % TINY_SIZE < TINY_SIZE / 2 ? 1 : -1;
    weights.set([0.1 * side, -0.1 * side, 0.01], pixel * 3);
  }
  return weights;
}

/** Writes a model folder for `onnx`; `change` edits the card first. */
export async function writeTinyModel(
  folder: string,
  onnx: Uint8Array = tinyOnnx(tinyWeights()),
  change: (card: Record<string, unknown>) => void = () => {},
): Promise<string> {
  const card: ModelCard = {
    format: 1,
    name: "tiny",
    version: "1",
    summary: "Left, right or bright.",
    labels: ["left", "right", "bright"],
    input: { width: TINY_SIZE, height: TINY_SIZE, channels: 1, scale: 2 / 255, offset: -1 },
    face: { margin: 0, shiftY: 0 },
    files: [
      {
        path: "model.onnx",
        kind: "onnx",
        bytes: onnx.length,
        sha256: createHash("sha256").update(onnx).digest("hex"),
      },
    ],
    parameters: 192,
    multiplyAdds: 192,
    training: {},
    metrics: [],
    licence: "MIT",
    limits: [],
  };
  const changed: Record<string, unknown> = structuredClone(card);
  change(changed);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "card.json"), JSON.stringify(changed));
  await writeFile(join(folder, "model.onnx"), onnx);
  return folder;
}
