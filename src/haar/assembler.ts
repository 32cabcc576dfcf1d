/**
 * Writes WebAssembly binary code, as far as the cascade compiler (compile.ts) needs it: functions of i32, i64 and v128,
 * one imported memory. Opcodes are from the core specification 2.0 (including SIMD).
 */
export const I32 = 0x7f;
export const I64 = 0x7e;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof V128;

export interface Signature {
  readonly parameters: readonly ValueType[];
  readonly result?: ValueType;
}

/** SIMD opcodes, after the prefix 0xfd. */
const SIMD = {
  "i8x16.shuffle": 13,
  "i16x8.splat": 16,
  "i16x8.eq": 45,
  "i16x8.gt_s": 49,
  "i16x8.le_s": 51,
  "i16x8.ge_s": 53,
  "f32x4.lt": 67,
  "f32x4.ge": 70,
  "f64x2.ge": 76,
  "v128.and": 78,
  "v128.bitselect": 82,
  "v128.any_true": 83,
  "f32x4.demote_f64x2_zero": 94,
  "i16x8.abs": 128,
  "i16x8.bitmask": 132,
  "i16x8.add": 142,
  "i16x8.sub": 145,
  "i16x8.mul": 149,
  "i32x4.shl": 171,
  "i32x4.shr_s": 172,
  "i32x4.shr_u": 173,
  "i32x4.add": 174,
  "i32x4.sub": 177,
  "f32x4.add": 228,
  "f32x4.mul": 230,
  "f64x2.sqrt": 239,
  "f64x2.sub": 241,
  "f64x2.mul": 242,
  "f64x2.div": 243,
  "f32x4.convert_i32x4_s": 250,
  "f64x2.convert_low_i32x4_s": 254,
  "f64x2.convert_low_i32x4_u": 255,
} as const;

/** Opcodes with an alignment of 0: any address. */
const MEMORY = {
  "i32.load": [0x28, 0],
  "i64.load": [0x29, 0],
  "i32.store": [0x36, 0],
  "i64.store": [0x37, 0],
  "i32.store8": [0x3a, 0],
  "v128.load": [0xfd, 0, 0],
  "v128.store": [0xfd, 11, 0],
} as const;

const SCALAR = {
  "i32.eqz": 0x45,
  "i32.lt_u": 0x49,
  "i32.add": 0x6a,
  "i32.and": 0x71,
  "i32.or": 0x72,
  "i32.xor": 0x73,
  "i32.shl": 0x74,
  "i64.eqz": 0x50,
  "i64.ctz": 0x7a,
  "i64.and": 0x83,
  "i64.or": 0x84,
  "i64.xor": 0x85,
  "i64.shl": 0x86,
  "i64.shr_u": 0x88,
  "i32.wrap_i64": 0xa7,
  "i64.extend_i32_u": 0xad,
} as const;

export type Op = keyof typeof SIMD | keyof typeof SCALAR;

/** A growing byte array: a cascade's code is a megabyte. */
class Bytes {
  #data = new Uint8Array(256);
  #length = 0;

  get view(): Uint8Array<ArrayBuffer> {
    return this.#data.subarray(0, this.#length);
  }

  byte(value: number): this {
    if (this.#length === this.#data.length) this.#grow(this.#length + 1);
    this.#data[this.#length++] = value;
    return this;
  }

  all(bytes: ArrayLike<number>): this {
    if (this.#length + bytes.length > this.#data.length) this.#grow(this.#length + bytes.length);
    this.#data.set(bytes, this.#length);
    this.#length += bytes.length;
    return this;
  }

  /** LEB128. */
  unsigned(value: number): this {
    let rest = value >>> 0;
    do {
      const low = rest & 0x7f;
      rest >>>= 7;
      this.byte(rest ? low | 0x80 : low);
    } while (rest);
    return this;
  }

  signed(value: number): this {
    for (let rest = value | 0; ; rest >>= 7) {
      const low = rest & 0x7f;
      const last = (rest >> 7 === 0 && !(low & 0x40)) || (rest >> 7 === -1 && (low & 0x40) !== 0);
      this.byte(last ? low : low | 0x80);
      if (last) return this;
    }
  }

  /** Writes its length, then its contents. */
  sized(bytes: Uint8Array): this {
    return this.unsigned(bytes.length).all(bytes);
  }

  text(value: string): this {
    return this.sized(new TextEncoder().encode(value));
  }

  #grow(least: number): void {
    const data = new Uint8Array(Math.max(2 * this.#data.length, least));
    data.set(this.view);
    this.#data = data;
  }
}

/** The body of a function; operands come before operators, as on WebAssembly's stack. */
export class FunctionBody {
  readonly signature: Signature;
  readonly #code = new Bytes();
  readonly #locals: ValueType[] = [];

  constructor(signature: Signature) {
    this.signature = signature;
  }

  /** Adds a local variable and returns its index. */
  local(type: ValueType): number {
    this.#locals.push(type);
    return this.signature.parameters.length + this.#locals.length - 1;
  }

  get(local: number): this {
    return this.#emit(0x20, local);
  }
  set(local: number): this {
    return this.#emit(0x21, local);
  }
  tee(local: number): this {
    return this.#emit(0x22, local);
  }
  i32(value: number): this {
    this.#code.byte(0x41).signed(value);
    return this;
  }
  i64(value: number): this {
    this.#code.byte(0x42).signed(value);
    return this;
  }

  op(name: Op): this {
    if (name in SCALAR) this.#code.byte(SCALAR[name as keyof typeof SCALAR]);
    else this.#code.byte(0xfd).unsigned(SIMD[name as keyof typeof SIMD]);
    return this;
  }

  /** A load from or store to the address on the stack plus `offset` bytes. */
  memory(name: keyof typeof MEMORY, offset: number): this {
    this.#code.all(MEMORY[name]).unsigned(offset);
    return this;
  }

  /** Picks 16 bytes from the two vectors on the stack, by their numbers 0 to 31. */
  shuffle(bytes: readonly number[]): this {
    this.#code.byte(0xfd).byte(SIMD["i8x16.shuffle"]).all(bytes);
    return this;
  }

  /** A vector constant of 16 bytes. */
  constant(bytes: readonly number[]): this {
    this.#code.byte(0xfd).byte(12).all(bytes);
    return this;
  }

  call(index: number): this {
    return this.#emit(0x10, index);
  }
  /** Runs `body` if the i32 on the stack is not 0. */
  when(body: () => void): this {
    return this.#nest(0x04, body);
  }
  /** `br` leads to its end. */
  block(body: () => void): this {
    return this.#nest(0x02, body);
  }
  /** `br` leads back to its start. */
  loop(body: () => void): this {
    return this.#nest(0x03, body);
  }
  /** Branches out of `depth` enclosing constructs, to the target of the next one. */
  br(depth: number): this {
    return this.#emit(0x0c, depth);
  }
  /** The same if the i32 on the stack is not 0. */
  brIf(depth: number): this {
    return this.#emit(0x0d, depth);
  }
  return(): this {
    this.#code.byte(0x0f);
    return this;
  }

  bytes(): Uint8Array {
    const body = new Bytes().unsigned(this.#locals.length);
    for (const type of this.#locals) body.byte(1).byte(type);
    return body.all(this.#code.view).byte(0x0b).view;
  }

  #nest(opcode: number, body: () => void): this {
    this.#code.byte(opcode).byte(0x40);
    body();
    this.#code.byte(0x0b);
    return this;
  }

  #emit(opcode: number, operand: number): this {
    this.#code.byte(opcode).unsigned(operand);
    return this;
  }
}

/** With its minimum and maximum pages: 1 and 65536, the latter in LEB128. */
const SHARED_MEMORY = [3, 1, 0x80, 0x80, 4];

/** A module that imports `env.memory` (shared) and functions from `env`, and exports functions. */
export class ModuleWriter {
  readonly #types: Signature[] = [];
  readonly #imports: { name: string; type: number }[] = [];
  readonly #functions: FunctionBody[] = [];
  readonly #exports: { name: string; index: number }[] = [];

  /** Returns the index of an imported function. All imports come before any function. */
  import(name: string, signature: Signature): number {
    return this.#imports.push({ name, type: this.#type(signature) }) - 1;
  }

  /** Returns the index of a function. */
  add(body: FunctionBody, exportAs?: string): number {
    const index = this.#imports.length + this.#functions.push(body) - 1;
    if (exportAs) this.#exports.push({ name: exportAs, index });
    return index;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const out = new Bytes().all([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const section = <T>(id: number, items: readonly T[], write: (to: Bytes, item: T) => void) => {
      const body = new Bytes().unsigned(items.length);
      for (const item of items) write(body, item);
      out.byte(id).sized(body.view);
    };
    const imports = this.#imports.map(({ name, type }) => ({ name, kind: [0, type] }));
    const functionTypes = this.#functions.map(({ signature }) => this.#type(signature));
    section(1, this.#types, (to, { parameters, result }) => {
      to.byte(0x60).unsigned(parameters.length).all(parameters);
      to.all(result === undefined ? [0] : [1, result]);
    });
    section(2, [{ name: "memory", kind: [2, ...SHARED_MEMORY] }, ...imports], (to, { name, kind }) => {
      to.text("env").text(name).all(kind);
    });
    section(3, functionTypes, (to, type) => to.unsigned(type));
    section(7, this.#exports, (to, { name, index }) => to.text(name).byte(0).unsigned(index));
    section(10, this.#functions, (to, body) => to.sized(body.bytes()));
    return out.view;
  }

  #type(signature: Signature): number {
    const key = ({ parameters, result }: Signature) => `${parameters}>${result}`;
    const at = this.#types.findIndex((type) => key(type) === key(signature));
    return at >= 0 ? at : this.#types.push(signature) - 1;
  }
}
