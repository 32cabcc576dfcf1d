import {
  encodeModel,
  type OnnxAttribute,
  type OnnxData,
  type OnnxNode,
  type OnnxTensor,
  type OnnxValue,
  OPSET,
} from "./proto.js";

/** Builds a graph node by node. Every value has a unique name. */
export class GraphBuilder {
  readonly #name: string;
  readonly #opset: number;
  readonly #nodes: OnnxNode[] = [];
  readonly #initializers: OnnxTensor[] = [];
  readonly #inputs: OnnxValue[] = [];
  readonly #outputs: OnnxValue[] = [];
  #count = 0;

  /** @param opset version of the nodes' operators */
  constructor(name: string, opset = OPSET) {
    this.#name = name;
    this.#opset = opset;
  }

  input(name: string, dims: readonly (number | string)[]): string {
    this.#inputs.push({ name, type: "float32", dims });
    return name;
  }

  /** Makes `value` an output under `name`. */
  output(name: string, value: string, dims: readonly (number | string)[]): void {
    this.#nodes.push({ op: "Identity", inputs: [value], outputs: [name], attributes: {} });
    this.#outputs.push({ name, type: "float32", dims });
  }

  scalar(value: number): string {
    return this.tensor([], Float32Array.of(value));
  }

  ints(values: readonly number[]): string {
    return this.tensor([values.length], BigInt64Array.from(values, BigInt));
  }

  /** A constant of the graph, row-major. */
  tensor(dims: readonly number[], data: OnnxData): string {
    const name = this.#fresh("constant");
    this.#initializers.push({ name, dims, data });
    return name;
  }

  /** Adds a node with one output and returns the output's name. */
  node(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>> = {},
  ): string {
    const output = this.#fresh(op);
    this.#nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  }

  /** Adds a node with two outputs. */
  pair(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
  ): [string, string] {
    const outputs: [string, string] = [this.#fresh(op), this.#fresh(op)];
    this.#nodes.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  /** Adds a node with three outputs. */
  triple(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
  ): [string, string, string] {
    const outputs: [string, string, string] = [this.#fresh(op), this.#fresh(op), this.#fresh(op)];
    this.#nodes.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  /** Adds a node with `count` outputs. */
  nodes(
    op: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, OnnxAttribute>>,
    count: number,
  ): string[] {
    const outputs = Array.from({ length: count }, () => this.#fresh(op));
    this.#nodes.push({ op, inputs, outputs, attributes });
    return outputs;
  }

  reshape(value: string, dims: readonly number[]): string {
    return this.node("Reshape", [value, this.ints(dims)]);
  }

  /** The bytes of the `.onnx` file. */
  encode(): Uint8Array<ArrayBuffer> {
    const graph = {
      name: this.#name,
      nodes: this.#nodes,
      initializers: this.#initializers,
      inputs: this.#inputs,
      outputs: this.#outputs,
    };
    return encodeModel(graph, this.#opset);
  }

  #fresh(stem: string): string {
    this.#count += 1;
    return `${stem}_${this.#count}`;
  }
}
