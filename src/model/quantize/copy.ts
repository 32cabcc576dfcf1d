import { ModelError } from "../../errors.js";
import { GraphBuilder } from "../onnx/graph.js";
import type { OnnxAttribute } from "../onnx/proto.js";
import type { GraphRead, NodeRead } from "../onnx/read.js";

/** Attributes that the operators define as floats, even if the value is an integer. */
const FRACTIONS: ReadonlySet<string> = new Set(["alpha", "beta", "epsilon"]);

/** Copies a graph node by node, so that the caller can insert others between its nodes. */
export class GraphCopy {
  readonly graph = new GraphBuilder("model");
  readonly #read: GraphRead;
  /** Names in the copy, by the names in the original graph. */
  readonly #names = new Map<string, string>();

  /** @param input dimensions of the graph's one input, `input` */
  constructor(read: GraphRead, input: readonly (number | string)[]) {
    this.#read = read;
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
    if (integers) return this.graph.ints(integers);
    throw new ModelError("MODEL_FILE", `the graph uses ${name} before it is defined`);
  }

  /** Copies a node, optionally with other inputs. */
  node(node: NodeRead, inputs?: readonly string[]): void {
    if (this.#isIdle(node)) this.#names.set(node.outputs[0] ?? "", this.value(node.inputs[0] ?? ""));
    else {
      const own = inputs ?? node.inputs.map((name) => this.value(name));
      const outputs = this.graph.nodes(node.op, own, attributesOf(node), node.outputs.length);
      for (const [i, name] of node.outputs.entries()) this.#names.set(name, outputs[i] ?? "");
    }
  }

  /** Whether it only passes on its first input. PyTorch writes a padding of 0 before each mean. */
  #isIdle({ op, inputs: [, pads = ""] }: NodeRead): boolean {
    return (
      op === "Identity" || (op === "Pad" && (this.#read.integers.get(pads)?.every((by) => by === 0) ?? false))
    );
  }
}

function attributesOf({ attributes }: NodeRead): Record<string, OnnxAttribute> {
  const own = [...attributes].map(([name, value]): [string, OnnxAttribute] => [
    name,
    FRACTIONS.has(name) && typeof value === "number" ? { float: value } : value,
  ]);
  return Object.fromEntries(own);
}
