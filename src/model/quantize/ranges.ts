import { ModelError, messageOf } from "../../errors.js";
import type { GraphRead } from "../onnx/read.js";
import { InferenceSession, Tensor } from "../onnx/runtime.js";
import { GraphCopy } from "./copy.js";

/** The smallest and the largest number in a value. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/**
 * The range of each value over `batches`.
 *
 * Throws `ModelError` if the graph cannot be copied.
 *
 * @param names values of the graph
 * @param input height and width of a picture
 * @param batches `[n, 1, height, width]`, normalised as the model's card says
 */
export async function rangesOf(
  model: GraphRead,
  names: readonly string[],
  [height, width]: readonly [number, number],
  batches: Iterable<Float32Array>,
): Promise<Map<string, Range>> {
  const session = await InferenceSession.create(observing(model, names, height, width)).catch((cause) => {
    const [why = ""] = messageOf(cause).split("\n", 1);
    throw new ModelError("QUANTIZE", `onnxruntime cannot run a copy of the model: ${why}`, { cause });
  });
  const ranges = new Map<string, Range>();
  try {
    for (const batch of batches) {
      const n = batch.length / (height * width);
      const seen = await session.run({ input: new Tensor("float32", batch, [n, 1, height, width]) });
      for (const [i, name] of names.entries()) {
        const { low = 0, high = 0 } = ranges.get(name) ?? {};
        ranges.set(name, {
          low: Math.min(low, Number(seen[`low:${i}`]?.data[0])),
          high: Math.max(high, Number(seen[`high:${i}`]?.data[0])),
        });
      }
    }
  } finally {
    await session.release();
  }
  return ranges;
}

function observing(model: GraphRead, names: readonly string[], height: number, width: number): Uint8Array {
  const copy = new GraphCopy(model, ["N", 1, height, width]);
  for (const node of model.nodes) copy.node(node);
  for (const [i, name] of names.entries())
    for (const [what, op] of [
      ["low", "ReduceMin"],
      ["high", "ReduceMax"],
    ] as const)
      copy.graph.output(`${what}:${i}`, copy.graph.node(op, [copy.value(name)], { keepdims: 0 }), []);
  return copy.graph.encode();
}
