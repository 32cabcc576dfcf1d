import { ModelError } from "../../errors.js";
import { GraphBuilder } from "../onnx/graph.js";
import { OPSET } from "../onnx/proto.js";
import type { GraphRead, NodeRead } from "../onnx/read.js";

/** Copies a graph node by node, so that the caller can insert others between its nodes. */
export class GraphCopy {
  readonly graph: GraphBuilder;
  readonly #read: GraphRead;
  /** Names in the copy, by the names in the original graph; an empty one stands for an input that is left out. */
  readonly #names = new Map<string, string>([["", ""]]);

  /** @param input dimensions of the graph's one input, `input` */
  constructor(read: GraphRead, input: readonly (number | string)[]) {
    this.#read = read;
    this.graph = new GraphBuilder("model", Math.max(OPSET, read.opset));
    this.#names.set("input", this.graph.input("input", input));
  }

  /** The copy's name for a value of the original graph. */
  value(name: string): string {
    const known = this.#names.get(name);
    if (known !== undefined) return known;
    const own = this.#constant(name);
    this.#names.set(name, own);
    return own;
  }

  #constant(name: string): string {
    const floats = this.#read.weights.get(name);
    if (floats) return this.graph.tensor(floats.dims, floats.data);
    const integers = this.#read.integers.get(name);
    if (integers) return this.graph.tensor(integers.dims, integers.data);
    throw new ModelError("MODEL_FILE", `the graph uses ${name} before it is defined`);
  }

  /** Whether the original graph has a value of this name among those copied so far. */
  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Copies a node, optionally with other inputs. */
  node(node: NodeRead, inputs?: readonly string[]): void {
    if (node.unread.length > 0)
      throw new ModelError(
        "MODEL_FILE",
        `the graph's ${node.op} has ${node.unread.join(", ")} of a kind that is not supported`,
      );
    if (this.#isIdle(node)) this.#names.set(node.outputs[0] ?? "", this.value(node.inputs[0] ?? ""));
    else {
      const own = inputs ?? node.inputs.map((name) => this.value(name));
      const outputs = this.graph.nodes(
        node.op,
        own,
        Object.fromEntries(node.attributes),
        node.outputs.length,
      );
      for (const [i, name] of node.outputs.entries()) if (name) this.#names.set(name, outputs[i] ?? "");
    }
  }

  /** Whether it only passes on its first input. PyTorch writes a padding of 0 before each mean. */
  #isIdle({ op, inputs: [, pads = ""] }: NodeRead): boolean {
    return (
      op === "Identity" ||
      (op === "Pad" && (this.#read.integers.get(pads)?.data.every((by) => by === 0n) ?? false))
    );
  }
}
