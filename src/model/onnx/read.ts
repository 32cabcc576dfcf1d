import { PbfReader } from "pbf";
import { ModelError, messageOf } from "../../errors.js";
import { harmless } from "../../text.js";
import type { OnnxAttribute } from "./proto.js";

/** A float constant of a graph, in row-major order. */
export interface Weights {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** A 64-bit integer constant: a shape, axes and the like. */
export interface Integers {
  readonly dims: readonly number[];
  /** Row-major, not as numbers: an end of 2 ** 63 - 1 would become one past the range. */
  readonly data: BigInt64Array;
}

/** A node with its inputs and outputs; a missing input is an empty name. */
export interface NodeRead {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, OnnxAttribute>;
  /** Names of attributes of kinds that we do not read. */
  readonly unread: readonly string[];
}

/** What our tools need from an ONNX file: its nodes in order, and its constants by name. */
export interface GraphRead {
  /** Version of the operators. */
  readonly opset: number;
  readonly nodes: readonly NodeRead[];
  readonly weights: ReadonlyMap<string, Weights>;
  readonly integers: ReadonlyMap<string, Integers>;
}

const FLOAT = 1;
const INT64 = 7;

/**
 * Reads nodes and constants of an ONNX file; field numbers are those of onnx.proto3. The file may come from anywhere: a
 * constant whose bytes do not match its shape, or a truncated message, throws `ModelError`.
 *
 * @param what names the file in errors
 */
export function readGraph(bytes: Uint8Array, what: string): GraphRead {
  const nodes: NodeRead[] = [];
  const weights = new Map<string, Weights>();
  const integers = new Map<string, Integers>();
  let opset = 1;
  const keep = (name: string, { dims, type, data }: TensorRead) => {
    if (type === FLOAT) weights.set(name, { dims, data: filled(name, dims, data, Float32Array) });
    else if (type === INT64 && data.length > 0)
      integers.set(name, { dims, data: filled(name, dims, data, BigInt64Array) });
  };
  try {
    fields(bytes, (tag, pbf) => {
      if (tag === 8) opset = readOpset(piece(pbf)) ?? opset;
      if (tag !== 7) return;
      fields(piece(pbf), (inner, graph) => {
        if (inner === 1) {
          const { constant, ...node } = readNode(piece(graph));
          if (constant) keep(node.outputs[0] ?? "", constant);
          else nodes.push(node);
        } else if (inner === 5) {
          const tensor = readTensor(piece(graph));
          keep(tensor.name, tensor);
        }
      });
    });
  } catch (cause) {
    throw new ModelError("MODEL_FILE", `${what}: not an ONNX model: ${messageOf(cause)}`, { cause });
  }
  if (nodes.length === 0) throw new ModelError("MODEL_FILE", `${what}: not an ONNX model: it has no nodes`);
  return { opset, nodes, weights, integers };
}

/** Which fields of a message of the file lead to nodes: graphs, functions, and graphs that are attributes of nodes. */
const LEADS = {
  model: { 7: "graph", 25: "function" },
  graph: { 1: "node" },
  function: { 7: "node", 11: "attribute" },
  node: { 5: "attribute" },
  attribute: { 6: "graph", 11: "graph" },
} as const satisfies Record<string, Record<number, string>>;

type Message = keyof typeof LEADS;

/**
 * Throws `ModelError` if there is a `Loop` anywhere in an ONNX file: it may never end, and onnxruntime cannot be stopped
 * while it runs. Classifiers have none; the other operators end with their inputs.
 */
export function refuseLoops(bytes: Uint8Array): void {
  try {
    lookForLoops(bytes, "model");
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    throw new ModelError("MODEL_FILE", `not an ONNX model: ${messageOf(cause)}`, { cause });
  }
}

function lookForLoops(bytes: Uint8Array, message: Message): void {
  const leads: Readonly<Record<number, Message>> = LEADS[message];
  let op = "";
  let output = "";
  fields(bytes, (tag, pbf) => {
    if (pbf.type !== 2) return;
    const part = leads[tag];
    if (part) lookForLoops(piece(pbf), part);
    else if (message === "node" && tag === 2) output ||= pbf.readString();
    else if (message === "node" && tag === 4) op = pbf.readString();
  });
  if (op === "Loop")
    throw new ModelError(
      "MODEL_LOOP",
      `the model's node of ${harmless(output)} is a Loop, which may never end; export the model without loops`,
    );
}

/** The version of ONNX's own operators; undefined for those of another domain. */
function readOpset(bytes: Uint8Array): number | undefined {
  let domain = "";
  let version: number | undefined;
  fields(bytes, (tag, pbf) => {
    if (tag === 1) domain = pbf.readString();
    else if (tag === 2) version = pbf.readVarint();
  });
  return domain === "" || domain === "ai.onnx" ? version : undefined;
}

function fields(bytes: Uint8Array, read: (tag: number, pbf: PbfReader) => void): void {
  const pbf = new PbfReader(bytes);
  pbf.readFields((tag, _, reader) => read(tag, reader), null);
  if (pbf.pos !== bytes.length) throw new RangeError("it is truncated");
}

/** The bytes of a nested message. The reader itself would return fewer if the file is truncated. */
function piece(pbf: PbfReader): Uint8Array {
  const length = pbf.readVarint();
  const start = pbf.pos;
  if (start + length > pbf.length) throw new RangeError("it is truncated");
  pbf.pos = start + length;
  return pbf.buf.subarray(start, pbf.pos);
}

/** A `Constant` node also yields its tensor, and becomes a constant of the graph instead of a node. */
function readNode(bytes: Uint8Array): NodeRead & { constant?: TensorRead } {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, OnnxAttribute>();
  const unread: string[] = [];
  let op = "";
  let constant: TensorRead | undefined;
  fields(bytes, (tag, pbf) => {
    if (tag === 1) inputs.push(pbf.readString());
    else if (tag === 2) outputs.push(pbf.readString());
    else if (tag === 4) op = pbf.readString();
    else if (tag === 5) {
      const { name, value } = readAttribute(piece(pbf));
      if (value instanceof Object && "data" in value) constant = value;
      else if (value !== undefined) attributes.set(name, value);
      if (value === undefined || value === constant) unread.push(name);
    }
  });
  return { op, inputs, outputs, attributes, unread, ...(op === "Constant" && constant && { constant }) };
}

/** Its value is whichever field is present: a writer may omit the type number. */
function readAttribute(bytes: Uint8Array) {
  let name = "";
  let value: OnnxAttribute | TensorRead | undefined;
  const list: number[] = [];
  fields(bytes, (tag, pbf) => {
    if (tag === 1) name = pbf.readString();
    else if (tag === 2) value = { float: pbf.readFloat() };
    else if (tag === 3) value = pbf.readVarint(true);
    else if (tag === 4) value = pbf.readString();
    else if (tag === 5) value = readTensor(piece(pbf));
    else if (tag === 8 && pbf.type === 2) pbf.readPackedVarint(list, true);
    else if (tag === 8) list.push(pbf.readVarint(true));
  });
  return { name, value: list.length > 0 ? list : value };
}

interface TensorRead {
  readonly name: string;
  readonly dims: number[];
  readonly type: number;
  readonly data: Uint8Array;
}

function readTensor(bytes: Uint8Array): TensorRead {
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

/** The tensor's numbers, copied because they must start at a multiple of their size. */
function filled<T extends Float32Array | BigInt64Array>(
  name: string,
  dims: readonly number[],
  data: Uint8Array,
  List: { new (buffer: ArrayBuffer): T; readonly BYTES_PER_ELEMENT: number },
): T {
  const size = dims.reduce((a, b) => a * b, 1);
  const whole = dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0);
  if (!whole || data.length !== size * List.BYTES_PER_ELEMENT)
    throw new RangeError(
      `constant ${name} has ${data.length} bytes, which do not match its shape [${dims.join(", ")}]`,
    );
  return new List(Uint8Array.from(data).buffer); // `Buffer.slice` does not copy
}
