import { PbfWriter } from "pbf";

/** Element types of ONNX tensors that we write. */
type TensorType = "float32" | "int64";

/** A constant of a graph; `data` is in row-major order. */
export interface OnnxTensor {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: OnnxData;
}

export type OnnxData = Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array;

export type OnnxAttribute = number | string | readonly number[] | { readonly float: number };

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** An input or output. A string as dimension is a free one, by name. */
export interface OnnxValue {
  readonly name: string;
  readonly type: TensorType;
  readonly dims: readonly (number | string)[];
}

export interface OnnxGraph {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** Version of the operators that we write, supported since onnxruntime 1.12. */
export const OPSET = 17;
const IR_VERSION = 8;
const TYPE_CODE = { float32: 1, int64: 7 } as const;

function typeCode(data: OnnxData): number {
  if (data instanceof Float32Array) return TYPE_CODE.float32;
  if (data instanceof BigInt64Array) return TYPE_CODE.int64;
  if (data instanceof Int32Array) return 6;
  return data instanceof Int8Array ? 3 : 2;
}

/** The bytes of a `.onnx` file. Field numbers are those of onnx.proto3. */
export function encodeModel(graph: OnnxGraph, opset: number): Uint8Array<ArrayBuffer> {
  const pbf = new PbfWriter();
  pbf.writeVarintField(1, IR_VERSION);
  pbf.writeStringField(2, "ekspresi");
  pbf.writeMessage(7, writeGraph, graph);
  pbf.writeMessage(8, (version: number, out) => out.writeVarintField(2, version), opset);
  return Uint8Array.from(pbf.finish());
}

function writeGraph(graph: OnnxGraph, pbf: PbfWriter): void {
  for (const node of graph.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, graph.name);
  for (const tensor of graph.initializers) pbf.writeMessage(5, writeTensor, tensor);
  for (const value of graph.inputs) pbf.writeMessage(11, writeValue, value);
  for (const value of graph.outputs) pbf.writeMessage(12, writeValue, value);
}

function writeNode(node: OnnxNode, pbf: PbfWriter): void {
  for (const name of node.inputs) pbf.writeStringField(1, name);
  for (const name of node.outputs) pbf.writeStringField(2, name);
  // Names are optional, but onnxruntime's messages show them.
  pbf.writeStringField(3, `${node.op}:${node.outputs[0] ?? ""}`);
  pbf.writeStringField(4, node.op);
  for (const attribute of Object.entries(node.attributes)) pbf.writeMessage(5, writeAttribute, attribute);
}

function writeAttribute([name, value]: readonly [string, OnnxAttribute], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  if (typeof value === "number") {
    pbf.writeVarintField(3, value);
    pbf.writeVarintField(20, 2);
  } else if (typeof value === "string") {
    pbf.writeBytesField(4, new TextEncoder().encode(value));
    pbf.writeVarintField(20, 3);
  } else if ("float" in value) {
    pbf.writeFloatField(2, value.float);
    pbf.writeVarintField(20, 1);
  } else {
    for (const item of value) pbf.writeVarintField(8, item);
    pbf.writeVarintField(20, 7);
  }
}

function writeTensor(tensor: OnnxTensor, pbf: PbfWriter): void {
  for (const dim of tensor.dims) pbf.writeVarintField(1, dim);
  pbf.writeVarintField(2, typeCode(tensor.data));
  pbf.writeStringField(8, tensor.name);
  // Raw data is little endian, as is every machine that Node runs on.
  const { buffer, byteOffset, byteLength } = tensor.data;
  pbf.writeBytesField(9, new Uint8Array(buffer, byteOffset, byteLength));
}

function writeValue(value: OnnxValue, pbf: PbfWriter): void {
  pbf.writeStringField(1, value.name);
  pbf.writeMessage(
    2,
    (_, type) =>
      type.writeMessage(
        1,
        (_, tensor) => {
          tensor.writeVarintField(1, TYPE_CODE[value.type]);
          tensor.writeMessage(2, writeShape, value.dims);
        },
        null,
      ),
    null,
  );
}

function writeShape(dims: readonly (number | string)[], pbf: PbfWriter): void {
  for (const dim of dims)
    pbf.writeMessage(
      1,
      (_, out) => (typeof dim === "number" ? out.writeVarintField(1, dim) : out.writeStringField(2, dim)),
      null,
    );
}
