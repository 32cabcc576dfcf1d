import { PbfReader } from "pbf";

/** What the TensorFlow.js peer needs from an ONNX file. Field numbers are those of onnx.proto3. */
export interface ReadNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** An attribute that is a list of integers; empty if there is none. */
  ints(name: string): readonly number[];
}

export interface ReadTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** Nodes in execution order, and constants by name. */
export function readOnnx(bytes: Uint8Array): { nodes: ReadNode[]; constants: Map<string, ReadTensor> } {
  const nodes: ReadNode[] = [];
  const constants = new Map<string, ReadTensor>();
  fields(bytes, (tag, model) => {
    if (tag !== 7) return;
    fields(model.readBytes(), (part, graph) => {
      if (part === 1) nodes.push(readNode(graph.readBytes()));
      if (part === 5) {
        const { name, ...tensor } = readTensor(graph.readBytes());
        constants.set(name, tensor);
      }
    });
  });
  return { nodes, constants };
}

function fields(bytes: Uint8Array, read: (tag: number, pbf: PbfReader) => void): void {
  new PbfReader(bytes).readFields((tag, _, pbf) => {
    if (pbf) read(tag, pbf);
  }, undefined);
}

function readNode(bytes: Uint8Array): ReadNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const lists = new Map<string, number[]>();
  let op = "";
  fields(bytes, (tag, pbf) => {
    if (tag === 1) inputs.push(pbf.readString());
    if (tag === 2) outputs.push(pbf.readString());
    if (tag === 4) op = pbf.readString();
    if (tag !== 5) return;
    let name = "";
    const list: number[] = [];
    fields(pbf.readBytes(), (part, attribute) => {
      if (part === 1) name = attribute.readString();
      if (part === 8) attribute.readPackedVarint(list);
    });
    lists.set(name, list);
  });
  return { op, inputs, outputs, ints: (name) => lists.get(name) ?? [] };
}

function readTensor(bytes: Uint8Array): ReadTensor & { name: string } {
  const dims: number[] = [];
  let name = "";
  let raw: Uint8Array = new Uint8Array();
  const floats: number[] = [];
  fields(bytes, (tag, pbf) => {
    if (tag === 1) pbf.readPackedVarint(dims);
    if (tag === 4) pbf.readPackedFloat(floats);
    if (tag === 8) name = pbf.readString();
    if (tag === 9) raw = pbf.readBytes();
  });
  const data = floats.length > 0 ? Float32Array.from(floats) : new Float32Array(Uint8Array.from(raw).buffer);
  return { name, dims, data };
}
