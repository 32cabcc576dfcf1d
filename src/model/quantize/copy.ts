import { ModelError } from "../../errors.js";
import { GraphBuilder } from "../onnx/graph.js";
import type { OnnxAttribute } from "../onnx/proto.js";
import type { GraphRead, NodeRead } from "../onnx/read.js";

/** Attributes that are fractions also where their value is a whole number, by the operators' definitions. */
const FRACTIONS: ReadonlySet<string> = new Set(["alpha", "beta", "epsilon"]);

/** A graph that was read, written again node by node, with what is put between its nodes. */
export class GraphCopy {
  readonly graph = new GraphBuilder("model");
  readonly #read: GraphRead;
  /** Names here of the read graph's values. */
  readonly #names = new Map<string, string>();

  /** @param input dimensions of the graph's one input, `input` */
  constructor(read: GraphRead, input: readonly (number | string)[]) {
    this.#read = read;
    this.#names.set("input", this.graph.input("input", input));
  }

  /** What stands here for a value of the read graph. */
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
    throw new ModelError("MODEL_FILE", `the graph uses ${name} before anything gives it`);
  }

  /** Copies a node; its values may be given others here. */
  node(node: NodeRead, inputs?: readonly string[]): void {
    if (this.#isIdle(node)) this.#names.set(node.outputs[0] ?? "", this.value(node.inputs[0] ?? ""));
    else {
      const own = inputs ?? node.inputs.map((name) => this.value(name));
      const outputs = this.graph.nodes(node.op, own, attributesOf(node), node.outputs.length);
      for (const [i, name] of node.outputs.entries()) this.#names.set(name, outputs[i] ?? "");
    }
  }

  /** Whether it only passes its first input on. PyTorch writes a padding by 0 before each mean. */
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
