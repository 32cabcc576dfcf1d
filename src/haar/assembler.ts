/**
 * A writer of WebAssembly binary code, as far as the cascade compiler (compile.ts) needs it: functions of i32, i64
 * and v128, one imported memory. Opcodes are those of the core specification 2.0 (SIMD included).
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

/** With their alignment: any. */
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

function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest ? low | 0x80 : low);
  } while (rest);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const low = rest & 0x7f;
    const last = (rest >> 7 === 0 && !(low & 0x40)) || (rest >> 7 === -1 && (low & 0x40) !== 0);
    bytes.push(last ? low : low | 0x80);
    if (last) return bytes;
  }
}

/** The body of one function; operands come before operators, as on WebAssembly's stack. */
export class FunctionBody {
  readonly signature: Signature;
  readonly #code: number[] = [];
  readonly #locals: ValueType[] = [];

  constructor(signature: Signature) {
    this.signature = signature;
  }

  /** A new local variable; its index. */
  local(type: ValueType): number {
    this.#locals.push(type);
    return this.signature.parameters.length + this.#locals.length - 1;
  }

  get(local: number): this {
    return this.#emit(0x20, ...unsigned(local));
  }
  set(local: number): this {
    return this.#emit(0x21, ...unsigned(local));
  }
  tee(local: number): this {
    return this.#emit(0x22, ...unsigned(local));
  }
  i32(value: number): this {
    return this.#emit(0x41, ...signed(value));
  }

  i64(value: number): this {
    return this.#emit(0x42, ...signed(value));
  }

  op(name: Op): this {
    if (name in SCALAR) return this.#emit(SCALAR[name as keyof typeof SCALAR]);
    return this.#emit(0xfd, ...unsigned(SIMD[name as keyof typeof SIMD]));
  }

  /** A load from, or a store to, the address on the stack plus `offset` bytes. */
  memory(name: keyof typeof MEMORY, offset: number): this {
    return this.#emit(...MEMORY[name], ...unsigned(offset));
  }

  /** Picks 16 bytes of the two vectors on the stack, by their numbers 0 to 31. */
  shuffle(bytes: readonly number[]): this {
    return this.#emit(0xfd, SIMD["i8x16.shuffle"], ...bytes);
  }

  /** A vector constant of 16 bytes. */
  constant(bytes: readonly number[]): this {
    return this.#emit(0xfd, 12, ...bytes);
  }

  call(index: number): this {
    return this.#emit(0x10, ...unsigned(index));
  }
  /** Runs `body` when the i32 on the stack is not 0. */
  when(body: () => void): this {
    return this.#nest(0x04, body);
  }
  /** `br` leads behind it. */
  block(body: () => void): this {
    return this.#nest(0x02, body);
  }
  /** `br` leads back to its beginning. */
  loop(body: () => void): this {
    return this.#nest(0x03, body);
  }
  /** Leaves `depth` enclosing constructs and takes the way of the next. */
  br(depth: number): this {
    return this.#emit(0x0c, ...unsigned(depth));
  }
  /** The same when the i32 on the stack is not 0. */
  brIf(depth: number): this {
    return this.#emit(0x0d, ...unsigned(depth));
  }
  return(): this {
    return this.#emit(0x0f);
  }

  bytes(): number[] {
    const locals = this.#locals.flatMap((type) => [1, type]);
    const body = [...unsigned(this.#locals.length), ...locals];
    for (const byte of this.#code) body.push(byte);
    body.push(0x0b);
    return body;
  }

  #nest(opcode: number, body: () => void): this {
    this.#emit(opcode, 0x40);
    body();
    return this.#emit(0x0b);
  }

  #emit(...bytes: number[]): this {
    for (const byte of bytes) this.#code.push(byte);
    return this;
  }
}

/** A module that imports `env.memory` (shared) and functions of `env`, and exports functions. */
export class ModuleWriter {
  readonly #types: Signature[] = [];
  readonly #imports: { name: string; type: number }[] = [];
  readonly #functions: FunctionBody[] = [];
  readonly #exports: { name: string; index: number }[] = [];

  /** Index of an imported function. All imports come before any function. */
  import(name: string, signature: Signature): number {
    return this.#imports.push({ name, type: this.#type(signature) }) - 1;
  }

  /** Index of a function. */
  add(body: FunctionBody, exportAs?: string): number {
    const index = this.#imports.length + this.#functions.push(body) - 1;
    if (exportAs) this.#exports.push({ name: exportAs, index });
    return index;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const functionTypes = this.#functions.map(({ signature }) => unsigned(this.#type(signature)));
    const memory = [...text("env"), ...text("memory"), 0x02, 0x03, ...unsigned(1), ...unsigned(65536)];
    const imports = this.#imports.map(({ name, type }) => [
      ...text("env"),
      ...text(name),
      0,
      ...unsigned(type),
    ]);
    const out: number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
    const section = (id: number, items: readonly (readonly number[])[]) => {
      const body = unsigned(items.length);
      for (const item of items) for (const byte of item) body.push(byte);
      out.push(id, ...unsigned(body.length));
      for (const byte of body) out.push(byte);
    };
    section(
      1,
      this.#types.map(({ parameters, result }) => [
        0x60,
        ...unsigned(parameters.length),
        ...parameters,
        ...(result === undefined ? [0] : [1, result]),
      ]),
    );
    section(2, [memory, ...imports]);
    section(3, functionTypes);
    section(
      7,
      this.#exports.map(({ name, index }) => [...text(name), 0, ...unsigned(index)]),
    );
    section(
      10,
      this.#functions.map((body) => {
        const code = body.bytes();
        return [...unsigned(code.length), ...code];
      }),
    );
    return Uint8Array.from(out);
  }

  #type(signature: Signature): number {
    const key = ({ parameters, result }: Signature) => `${parameters}>${result}`;
    const at = this.#types.findIndex((type) => key(type) === key(signature));
    return at >= 0 ? at : this.#types.push(signature) - 1;
  }
}

function text(value: string): number[] {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
}
