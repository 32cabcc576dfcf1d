import { PbfReader } from "pbf";
import { ModelError, messageOf } from "../../errors.js";

/** A float constant of a graph, in row-major order. */
export interface Weights {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** A node with what it computes from and to; a missing input is an empty name. */
export interface NodeRead {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** What our tools need of an ONNX file: its nodes in order, and its float constants by name. */
export interface GraphRead {
  readonly nodes: readonly NodeRead[];
  readonly weights: ReadonlyMap<string, Weights>;
}

const FLOAT = 1;

/**
 * Reads nodes and float constants of an ONNX file; field numbers are those of onnx.proto3. The file may come from
 * anywhere: a constant whose bytes do not fill its shape, or a message that ends early, throws `ModelError`.
 *
 * @param what names the file in errors
 */
export function readGraph(bytes: Uint8Array, what: string): GraphRead {
  const nodes: NodeRead[] = [];
  const weights = new Map<string, Weights>();
  try {
    fields(bytes, (tag, pbf) => {
      if (tag !== 7) return;
      fields(piece(pbf), (inner, graph) => {
        if (inner === 1) nodes.push(readNode(piece(graph)));
        else if (inner === 5) {
          const { name, dims, type, data } = readTensor(piece(graph));
          if (type === FLOAT) weights.set(name, { dims, data: filled(name, dims, data) });
        }
      });
    });
  } catch (cause) {
    throw new ModelError("MODEL_FILE", `${what}: it is no ONNX model: ${messageOf(cause)}`, { cause });
  }
  if (nodes.length === 0) throw new ModelError("MODEL_FILE", `${what}: it is no ONNX model: it has no nodes`);
  return { nodes, weights };
}

function fields(bytes: Uint8Array, read: (tag: number, pbf: PbfReader) => void): void {
  const pbf = new PbfReader(bytes);
  pbf.readFields((tag, _, reader) => read(tag, reader), null);
  if (pbf.pos !== bytes.length) throw new RangeError("a part of it ends early");
}

/** The bytes of a nested message. The reader itself would hand out fewer where the file is cut off. */
function piece(pbf: PbfReader): Uint8Array {
  const length = pbf.readVarint();
  const start = pbf.pos;
  if (start + length > pbf.length) throw new RangeError("a part of it ends early");
  pbf.pos = start + length;
  return pbf.buf.subarray(start, pbf.pos);
}

function readNode(bytes: Uint8Array): NodeRead {
  const node = { op: "", inputs: [] as string[], outputs: [] as string[] };
  fields(bytes, (tag, pbf) => {
    if (tag === 1) node.inputs.push(pbf.readString());
    else if (tag === 2) node.outputs.push(pbf.readString());
    else if (tag === 4) node.op = pbf.readString();
  });
  return node;
}

function readTensor(bytes: Uint8Array): { name: string; dims: number[]; type: number; data: Uint8Array } {
  const tensor = { name: "", dims: [] as number[], type: 0, data: new Uint8Array() as Uint8Array };
  fields(bytes, (tag, pbf) => {
    if (tag === 1 && pbf.type === 2) pbf.readPackedVarint(tensor.dims);
    else if (tag === 1) tensor.dims.push(pbf.readVarint());
    else if (tag === 2) tensor.type = pbf.readVarint();
    else if (tag === 8) tensor.name = pbf.readString();
    // Packed `float_data` and `raw_data` are the same little-endian bytes.
    else if ((tag === 4 || tag === 9) && pbf.type === 2) tensor.data = piece(pbf);
  });
  return tensor;
}

function filled(name: string, dims: readonly number[], data: Uint8Array): Float32Array {
  const size = dims.reduce((a, b) => a * b, 1);
  if (!dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0) || data.length !== size * 4)
    throw new RangeError(`constant ${name} has ${data.length} bytes for the shape [${dims.join(", ")}]`);
  // A copy, for floats must begin at a multiple of four.
  return new Float32Array(Uint8Array.from(data).buffer);
}
