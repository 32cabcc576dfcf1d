import { FunctionBody, I32, I64, ModuleWriter, type Signature, V128 } from "./assembler.js";
import type { Cascade } from "./cascade.js";
import { type Corner, type Feature, featureOf, type Part, type Piece, uprightPieces } from "./features.js";
import { type Geometry, geometryOf, PARAMETER_BYTES, placeOf, STRIP, type Step } from "./layout.js";
import { bits, type Tables, writeTables } from "./tables.js";

/** A cascade compiled to code. */
export interface CascadeCode {
  readonly cascade: Pick<Cascade, "width" | "height" | "hasTilted">;
  /**
   * WebAssembly that exports `first1`, `later1`, `first2` and `later2`: the first stage and all later ones, by step.
   */
  readonly code: Uint8Array<ArrayBuffer>;
  /** Constants of the code and tables of the cascade, as laid out in memory after a parameter block. */
  readonly data: Int32Array;
  readonly tables: Tables;
}

/** A cascade ready to run: structured-cloneable, for worker threads. */
export interface CompiledCascade extends Omit<CascadeCode, "code"> {
  readonly module: WebAssembly.Module;
}

/** Makes a cascade ready to run, in this process. */
export async function compileCascade(cascade: Cascade): Promise<CompiledCascade> {
  return instantiable(cascadeCode(cascade));
}

/** Makes compiled code that any thread can instantiate any number of times. */
export async function instantiable({ code, ...rest }: CascadeCode): Promise<CompiledCascade> {
  return { ...rest, module: await WebAssembly.compile(code) };
}

/**
 * Compiles a cascade to WebAssembly that looks at 8 windows at a time, with the positions of each feature's corners
 * built into the instructions.
 *
 * Integral images are taken modulo 65536: if a feature's value fits 16 bits, that is exact and halves the work. Stage
 * totals are kept in 16-bit fixed point; windows whose total comes close to the threshold are decided again by the
 * kernel's `settle` in OpenCV's own arithmetic, so that every decision equals OpenCV's.
 */
export function cascadeCode(cascade: Cascade): CascadeCode {
  const geometry = geometryOf(cascade);
  const features = Array.from(cascade.tilted, (_, i) => featureOf(cascade, i));
  const writer = new ModuleWriter();
  const settle = writer.import("settle", SETTLE);
  const constants = new Constants();
  const fixed = Array.from(cascade.stageThreshold, (_, s) => fixedStage(cascade, s));
  for (const step of [1, 2] as const) {
    const shared = { cascade, features, stages: fixed, geometry, step, constants, settle };
    writer.add(firstStage(shared), `first${step}`);
    const stages: number[] = [];
    for (let s = 1; s < cascade.stageThreshold.length; s++) stages.push(writer.add(laterStage(shared, s)));
    writer.add(allLater(stages), `later${step}`);
  }
  const words = [...constants.words];
  const tables = writeTables(words, cascade, features, geometry);
  const { width, height, hasTilted } = cascade;
  const data = Int32Array.from(words);
  return { cascade: { width, height, hasTilted }, code: writer.bytes(), data, tables };
}

/** The first parameter of all functions: the address of the parameter block. */
const P = 0;
const SETTLE: Signature = { parameters: [I32, I32, I32, I32, I32, I32], result: I32 };
const FIRST: Signature = { parameters: [I32, I32, I32, I32, I32, I32] };
const LATER: Signature = { parameters: [I32, I32, I32], result: I32 };

// Byte offsets in an entry of the list of windows for the later stages, 64 windows of a row; written by the kernel.
const ENTRY = { a: 0, factors: 4, alive: 16, bytes: 32 };

/** Numbers that the code loads, each stored once as a whole vector. */
class Constants {
  readonly words: number[] = [];
  readonly #places = new Map<string, number>();

  /** Byte offset, from the parameter block, of a single-precision number. */
  f32(value: number): number {
    return this.#place(`f${value}`, [0, 0, 0, 0].fill(bits(value)));
  }
  f64(value: number): number {
    const halves = new Int32Array(new Float64Array([value]).buffer);
    return this.#place(`d${value}`, [...halves, ...halves]);
  }
  /** A 16-bit integer. */
  i16(value: number): number {
    return this.#place(`i${value}`, [0, 0, 0, 0].fill((value & 0xffff) | (value << 16)));
  }

  #place(key: string, words: readonly number[]): number {
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    const offset = PARAMETER_BYTES + 4 * this.words.length;
    this.words.push(...words);
    this.#places.set(key, offset);
    return offset;
  }
}

/** A place in the parameter block that is never read. */
const UNREAD = PARAMETER_BYTES - 16;

interface Shared {
  readonly cascade: Cascade;
  readonly features: readonly Feature[];
  readonly stages: readonly FixedStage[];
  readonly geometry: Geometry;
  readonly step: Step;
  readonly constants: Constants;
  /** Function index. */
  readonly settle: number;
}

// In single precision, 8 windows take two vectors: windows 0, 2, 4, 6 ("even lanes") and 1, 3, 5, 7 ("odd lanes"),
// which are the low and the high halves of the words of a 16-bit vector.
const EVEN_AND_ODD = [0, 1, 18, 19, 4, 5, 22, 23, 8, 9, 26, 27, 12, 13, 30, 31];
const EVENS_OF_FOUR = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27];
const ODDS_OF_FOUR = EVENS_OF_FOUR.map((byte) => byte + 4);
const FIRST_PAIRS = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const SECOND_PAIRS = FIRST_PAIRS.map((byte) => byte + 8);
const HIGH_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];
const LOW_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];
const LANE_BITS = [1, 0, 2, 0, 4, 0, 8, 0, 16, 0, 32, 0, 64, 0, 128, 0];

/** The most that a stage can add up to, and the starting value of lanes that are out: they stay well below 0. */
const MOST_SPAN = 32000;
const OUT_OF_IT = -32700;
const SCALES_TRIED = 64;
/** Odd lanes hold values multiplied by this; a power of two, so it is exact. */
const HIGH = 65536;

/** A stage in 16-bit fixed point: its total starts at `base`, every tree adds at least 0, and the threshold is 0. */
interface FixedStage {
  readonly base: number;
  readonly trees: readonly FixedTree[];
  /** Totals this close to 0 may be on the wrong side of it. */
  readonly guard: number;
}

interface FixedTree {
  readonly firstNode: number;
  /** What the tree adds at each of its leaves. */
  readonly leaves: readonly number[];
}

const rounding = (value: number) => Math.round(value) - value;

function fixedStage(cascade: Cascade, s: number): FixedStage {
  const trees: { firstNode: number; leaves: number[]; least: number; span: number }[] = [];
  for (let t = cascade.stageFirst[s] ?? 0; t < (cascade.stageFirst[s + 1] ?? 0); t++) {
    const firstNode = cascade.treeFirst[t] ?? 0;
    const leaves = [...cascade.leaves.subarray(firstNode + t, (cascade.treeFirst[t + 1] ?? 0) + t + 1)];
    const least = Math.min(...leaves);
    trees.push({ firstNode, leaves, least, span: Math.max(...leaves) - least });
  }
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const base = sum(trees.map(({ least }) => least)) - (cascade.stageThreshold[s] ?? 0);
  const spans = sum(trees.map(({ span }) => span));
  const most = MOST_SPAN / Math.max(Math.abs(base), spans, spans + base);
  /** By how much a total may be too small and too large, not counting the base's error. */
  const errorsAt = (scale: number): [number, number] => {
    let [least, most] = [0, 0];
    for (const tree of trees) {
      let [low, high] = [0, 0]; // the smallest leaf is exact
      for (const leaf of tree.leaves) {
        const error = rounding((leaf - tree.least) * scale);
        low = Math.min(low, error);
        high = Math.max(high, error);
      }
      least += low;
      most += high;
    }
    return [least, most];
  };
  // A scale slightly below the largest may have much smaller errors, so that less needs to be decided again.
  let scale = most;
  let [low, high] = errorsAt(most);
  for (let i = 1; i < SCALES_TRIED; i++) {
    const candidate = most * (1 - i / (8 * SCALES_TRIED));
    const [less, more] = errorsAt(candidate);
    if (more - less < high - low) [scale, low, high] = [candidate, less, more];
  }
  // The base is shifted so that totals may be too small or too large by the same amount.
  const exact = base * scale;
  const fixed = Math.round(exact - (low + high) / 2);
  return {
    base: fixed,
    trees: trees.map(({ firstNode, leaves, least }) => ({
      firstNode,
      leaves: leaves.map((leaf) => Math.round((leaf - least) * scale)),
    })),
    guard: Math.ceil(Math.max(Math.abs(fixed - exact + low), Math.abs(fixed - exact + high)) + 1e-6),
  };
}

/** The locals (or parameters) that hold a block of 8 windows. */
interface BlockLocals {
  /** Address of its first window in the integral image. */
  readonly a: number;
  /** Norm factors of even lanes, and those of odd lanes times `HIGH`. */
  readonly even: number;
  readonly odd: number;
  /** Address of the norm factors, in the order of the windows. */
  readonly factors: number;
}

/** Writes the code that the first and the later stages share. */
class StageWriter {
  readonly f: FunctionBody;
  readonly #shared: Shared;
  readonly #block: BlockLocals;
  readonly #total: number;
  readonly #value: number;
  readonly #other: number;
  readonly #parts: number[] = [];

  constructor(f: FunctionBody, shared: Shared, block: BlockLocals) {
    this.f = f;
    this.#shared = shared;
    this.#block = block;
    this.#total = f.local(V128);
    this.#value = f.local(V128);
    this.#other = f.local(V128);
  }

  /**
   * Runs stage `s` in the lanes of the 16-bit mask on the stack. Leaves the bits of the passing windows on the stack.
   */
  stage(s: number): void {
    const { f } = this;
    const { stages, settle } = this.#shared;
    const { base, trees, guard } = stages[s] ?? { base: 0, trees: [], guard: 0 };
    f.set(this.#value);
    this.i16(base);
    this.i16(OUT_OF_IT);
    f.get(this.#value).op("v128.bitselect").set(this.#total);
    for (const tree of trees) {
      f.get(this.#total);
      this.#tree(tree, 0);
      f.op("i16x8.add").set(this.#total);
      // V8 does all loads of straight-line code first, and spills those it has no registers for. It keeps stores in
      // order: one after each tree makes it finish the tree.
      f.get(P).get(this.#total).memory("v128.store", UNREAD);
    }
    const pass = f.local(I32);
    f.get(this.#total).op("i16x8.bitmask").i32(0xff).op("i32.xor").set(pass);
    f.get(this.#total).op("i16x8.abs");
    this.i16(guard);
    f.op("i16x8.le_s").tee(this.#value).op("v128.any_true");
    f.when(() => {
      f.get(P).i32(s).get(this.#block.a).get(this.#block.factors);
      f.get(this.#value).op("i16x8.bitmask").get(pass).call(settle).set(pass);
    });
    f.get(pass);
  }

  /** Multiplies the norm factors of odd lanes by `HIGH`. */
  raise(odd: number): void {
    this.f.get(odd);
    this.f32(HIGH);
    this.f.op("f32x4.mul").set(odd);
  }

  /** An integer in all lanes. */
  i16(value: number): void {
    this.f.get(P).memory("v128.load", this.#shared.constants.i16(value));
  }
  f32(value: number): void {
    this.f.get(P).memory("v128.load", this.#shared.constants.f32(value));
  }

  /** What a tree adds, starting from its `node`-th node. */
  #tree(tree: FixedTree, node: number): void {
    const { cascade } = this.#shared;
    const n = tree.firstNode + node;
    const sides = [cascade.nodeLeft[n] ?? 0, cascade.nodeRight[n] ?? 0];
    const leaf = (side: number) => tree.leaves[-side] ?? 0;
    const [left = 0, right = 0] = sides;
    if (left <= 0 && right <= 0 && Math.min(leaf(left), leaf(right)) === 0) {
      // One side adds nothing, so a mask suffices.
      this.#isBelow(n, leaf(left) > leaf(right));
      this.i16(Math.max(leaf(left), leaf(right)));
      this.f.op("v128.and");
      return;
    }
    for (const side of sides)
      if (side > 0) this.#tree(tree, side);
      else this.i16(leaf(side));
    this.#isBelow(n, true);
    this.f.op("v128.bitselect");
  }

  /**
   * A mask of the windows whose value of a node's feature is below the threshold; with `below` false, of all others.
   */
  #isBelow(node: number, below: boolean): void {
    const { f } = this;
    const { cascade, features } = this.#shared;
    const threshold = cascade.nodeThreshold[node] ?? 0;
    const compare = below ? "f32x4.lt" : "f32x4.ge";
    const feature = features[cascade.nodeFeature[node] ?? 0];
    if (!feature) return;
    if (feature.parts) {
      const parts = feature.parts.map((part, i) => {
        this.#mergedCorners(part);
        const value = this.#part(i);
        f.set(value);
        return value;
      });
      const inLanes = (shift: "i32x4.shl" | "i32x4.shr_s") => {
        for (const [i, value] of parts.entries()) {
          f.get(value).i32(16).op(shift).op("f32x4.convert_i32x4_s");
          if (i > 0) f.op("f32x4.add");
        }
      };
      // Both halves times 65536, which the odd lanes' factor includes.
      inLanes("i32x4.shl");
      f.get(this.#block.even).op("f32x4.mul");
      this.f32(threshold * HIGH);
      f.tee(this.#other).op(compare);
      inLanes("i32x4.shr_s");
      f.get(this.#block.odd).op("f32x4.mul").get(this.#other).op(compare);
    } else {
      this.#weightedRectangles(feature, "even");
      f.get(this.#block.even).op("f32x4.mul");
      this.f32(threshold);
      f.op(compare);
      this.#weightedRectangles(feature, "odd");
      f.get(this.#block.odd).op("f32x4.mul");
      this.f32(threshold * HIGH);
      f.op(compare);
    }
    f.shuffle(EVEN_AND_ODD);
  }

  /** The local for the `i`-th part of a feature. */
  #part(i: number): number {
    this.#parts[i] ??= this.f.local(V128);
    return this.#parts[i];
  }

  #load(corner: Corner): void {
    const { geometry, step } = this.#shared;
    this.f.get(this.#block.a).memory("v128.load", placeOf(geometry, step, corner));
  }

  /** A part of a feature. Corners with the same count are summed first. */
  #mergedCorners(part: Part): void {
    const { f } = this;
    for (const [i, { count, added, subtracted }] of part.entries()) {
      const [first, ...others] = added;
      if (first) this.#load(first);
      else this.i16(0);
      for (const corner of others) {
        this.#load(corner);
        f.op("i16x8.add");
      }
      for (const corner of subtracted) {
        this.#load(corner);
        f.op("i16x8.sub");
      }
      this.#times(count);
      if (i > 0) f.op("i16x8.add");
    }
  }

  #times(count: number): void {
    const { f } = this;
    if (count > 3) {
      this.i16(count);
      f.op("i16x8.mul");
    } else if (count > 1) {
      f.tee(this.#other);
      for (let i = 1; i < count; i++) f.get(this.#other).op("i16x8.add");
    }
  }

  /** Any feature, in OpenCV's order of single-precision operations. */
  #weightedRectangles({ rectangles }: Feature, lanes: "even" | "odd"): void {
    const { f } = this;
    for (const [r, { weight, pieces }] of rectangles.entries()) {
      for (const [i, piece] of pieces.entries()) {
        this.piece(piece);
        if (lanes === "even") f.i32(16).op("i32x4.shl");
        f.i32(16).op("i32x4.shr_u");
        if (i > 0) f.op("i32x4.add");
      }
      f.op("f32x4.convert_i32x4_s");
      this.f32(weight);
      f.op("f32x4.mul");
      if (r > 0) f.op("f32x4.add");
    }
  }

  /** The sum of a piece in 8 windows, unsigned. */
  piece([a, b, c, d]: Piece): void {
    this.#load(a);
    this.#load(b);
    this.f.op("i16x8.sub");
    this.#load(c);
    this.f.op("i16x8.sub");
    this.#load(d);
    this.f.op("i16x8.add");
  }
}

/**
 * Norm factors and first stage for a row of windows. Parameters: P, where the row starts in the integral images of sums
 * and of squares, where to store the factors, where to store a bit for each passing window (and, `STRIP / 8` bytes
 * further, one for each that passes or has too little contrast), and where these bits end.
 */
function firstStage(shared: Shared): FunctionBody {
  const f = new FunctionBody(FIRST);
  const [a, squares, factors, states, end] = [1, 2, 3, 4, 5];
  const block = { a, factors, even: f.local(V128), odd: f.local(V128) };
  const open = f.local(V128);
  const flat = f.local(I32);
  const pass = f.local(I32);
  const writer = new StageWriter(f, shared, block);
  const advance = (local: number, bytes: number) => f.get(local).i32(bytes).op("i32.add").set(local);
  f.loop(() => {
    f.i32(0).set(pass);
    f.i32(0xff).set(flat);
    f.block(() => {
      new NormWriter(f, shared, writer, squares).factors(block.even, block.odd, open, () => f.br(1));
      f.get(open).op("i16x8.bitmask").i32(0xff).op("i32.xor").set(flat);
      f.get(factors).get(block.even).get(block.odd).shuffle(FIRST_PAIRS).memory("v128.store", 0);
      f.get(factors).get(block.even).get(block.odd).shuffle(SECOND_PAIRS).memory("v128.store", 16);
      writer.raise(block.odd);
      f.get(open);
      writer.stage(0);
      f.set(pass);
    });
    f.get(states).get(pass).memory("i32.store8", 0);
    f.get(states)
      .get(pass)
      .get(flat)
      .op("i32.or")
      .memory("i32.store8", STRIP / 8);
    advance(a, 16);
    advance(squares, 32);
    advance(factors, 32);
    advance(states, 1);
    f.get(states).get(end).op("i32.lt_u").brIf(0);
  });
  return f;
}

/**
 * One later stage for all windows of a list, so that its code stays in the processor's nearest cache. Parameters: P,
 * and where the list starts and ends. Entries without a passing window are removed; the result is the list's new end.
 * Within an entry, each block of 8 starts at the first window not yet looked at: survivors come in clusters, which
 * blocks at fixed positions would split.
 */
function laterStage(shared: Shared, s: number): FunctionBody {
  const f = new FunctionBody(LATER);
  const [entry, end] = [1, 2];
  const kept = f.local(I32);
  const [rest, survivors, first] = [f.local(I64), f.local(I64), f.local(I64)];
  const lanes = f.local(V128);
  const [near, far] = [f.local(V128), f.local(V128)];
  const block = { a: f.local(I32), even: f.local(V128), odd: f.local(V128), factors: f.local(I32) };
  const writer = new StageWriter(f, shared, block);
  const address = (base: number, shift: number) =>
    f
      .get(entry)
      .memory("i32.load", base)
      .get(first)
      .op("i32.wrap_i64")
      .i32(shift)
      .op("i32.shl")
      .op("i32.add");
  f.get(entry).set(kept);
  f.get(entry)
    .get(end)
    .op("i32.lt_u")
    .op("i32.eqz")
    .when(() => f.get(kept).return());
  f.loop(() => {
    f.get(entry).memory("i64.load", ENTRY.alive).set(rest);
    f.i64(0).set(survivors);
    f.loop(() => {
      f.get(rest).op("i64.ctz").set(first);
      address(ENTRY.a, 1).set(block.a);
      address(ENTRY.factors, 2).tee(block.factors).memory("v128.load", 0).set(near);
      f.get(block.factors).memory("v128.load", 16).set(far);
      f.get(near).get(far).shuffle(EVENS_OF_FOUR).set(block.even);
      f.get(near).get(far).shuffle(ODDS_OF_FOUR).set(block.odd);
      writer.raise(block.odd);
      f.get(rest).get(first).op("i64.shr_u").op("i32.wrap_i64").i32(0xff).op("i32.and");
      f.op("i16x8.splat").constant(LANE_BITS).tee(lanes).op("v128.and").get(lanes).op("i16x8.eq");
      writer.stage(s);
      f.op("i64.extend_i32_u").get(first).op("i64.shl").get(survivors).op("i64.or").set(survivors);
      f.get(rest).i64(0xff).get(first).op("i64.shl").i64(-1).op("i64.xor").op("i64.and").tee(rest);
      f.op("i64.eqz").op("i32.eqz").brIf(0);
    });
    f.get(survivors).op("i64.eqz").op("i32.eqz");
    f.when(() => {
      f.get(kept).get(entry).memory("v128.load", 0).memory("v128.store", 0);
      f.get(kept).get(survivors).memory("i64.store", ENTRY.alive);
      f.get(kept).i32(ENTRY.bytes).op("i32.add").set(kept);
    });
    f.get(entry).i32(ENTRY.bytes).op("i32.add").tee(entry).get(end).op("i32.lt_u").brIf(0);
  });
  return f.get(kept);
}

/** All later stages, one after another; parameters and result are those of a single stage. */
function allLater(stages: readonly number[]): FunctionBody {
  const f = new FunctionBody(LATER);
  const [list, end] = [1, 2];
  for (const stage of stages) f.get(P).get(list).get(end).call(stage).set(end);
  return f.get(end);
}

/** Writes the code that measures a window's contrast: over the window without a border of one pixel. */
class NormWriter {
  readonly #f: FunctionBody;
  readonly #shared: Shared;
  readonly #stage: StageWriter;
  readonly #squaresAt: number;

  /** @param squaresAt local with the address of the block's first window in the integral image of squares */
  constructor(f: FunctionBody, shared: Shared, stage: StageWriter, squaresAt: number) {
    this.#f = f;
    this.#shared = shared;
    this.#stage = stage;
    this.#squaresAt = squaresAt;
  }

  /**
   * Sets a 16-bit mask of the windows with enough contrast and, if there are any, the norm factors of even and of odd
   * lanes: 1 / sqrt(area * squares - sum * sum), in double precision like OpenCV. If there are none, `giveUp` must
   * branch elsewhere, from one construct deeper: most pictures are largely flat, and roots and divisions are slow.
   */
  factors(even: number, odd: number, open: number, giveUp: () => void): void {
    const f = this.#f;
    const [low, high] = [f.local(V128), f.local(V128)];
    this.#squares(0);
    f.set(low);
    this.#squares(16);
    f.set(high);
    const sums: [number, number] = [f.local(V128), f.local(V128)];
    this.#sums(sums);
    f.get(low).get(high).shuffle(EVENS_OF_FOUR);
    const evens = this.#contrasts(sums[0]);
    f.get(low).get(high).shuffle(ODDS_OF_FOUR);
    const odds = this.#contrasts(sums[1]);
    for (const pair of [evens, odds]) this.#areContrasty(pair);
    f.shuffle(EVEN_AND_ODD).tee(open).op("v128.any_true").op("i32.eqz").when(giveUp);
    this.#factorsOf(evens);
    f.set(even);
    this.#factorsOf(odds);
    f.set(odd);
  }

  get #rectangle() {
    const { width, height } = this.#shared.cascade;
    return { x: 1, y: 1, width: width - 2, height: height - 2 };
  }

  /** Sums of squares in 4 windows; squares are laid out like sums, but take twice the bytes. */
  #squares(lane: number): void {
    const f = this.#f;
    const { geometry, step } = this.#shared;
    const { x, y, width, height } = this.#rectangle;
    const load = (column: number, line: number) => {
      const offset = 2 * placeOf(geometry, step, { x: column, y: line, tilted: false });
      return f.get(this.#squaresAt).memory("v128.load", offset + lane);
    };
    load(x, y);
    load(x + width, y).op("i32x4.sub");
    load(x, y + height).op("i32x4.sub");
    load(x + width, y + height).op("i32x4.add");
  }

  /** Sums in even and odd lanes. */
  #sums([even, odd]: readonly [number, number]): void {
    const f = this.#f;
    const piece = f.local(V128);
    for (const [i, corners] of uprightPieces(this.#rectangle).entries()) {
      this.#stage.piece(corners);
      f.set(piece);
      f.get(piece).i32(16).op("i32x4.shl").i32(16).op("i32x4.shr_u");
      if (i > 0) f.get(even).op("i32x4.add");
      f.set(even);
      f.get(piece).i32(16).op("i32x4.shr_u");
      if (i > 0) f.get(odd).op("i32x4.add");
      f.set(odd);
    }
  }

  /** From the squares of 4 windows on the stack and their sums, two locals with area * squares - sum * sum. */
  #contrasts(sums: number): [number, number] {
    const f = this.#f;
    const { constants } = this.#shared;
    const [squares, sum] = [f.local(V128), f.local(V128)];
    const signed = this.#area * 255 * 255 < 2 ** 31;
    const two = (high: boolean): number => {
      const contrast = f.local(V128);
      const half = (local: number) => (high ? f.get(local).get(local).shuffle(HIGH_HALF) : f.get(local));
      half(squares).op(signed ? "f64x2.convert_low_i32x4_s" : "f64x2.convert_low_i32x4_u");
      f.get(P).memory("v128.load", constants.f64(this.#area)).op("f64x2.mul");
      half(sums)
        .op("f64x2.convert_low_i32x4_s")
        .tee(sum)
        .get(sum)
        .op("f64x2.mul")
        .op("f64x2.sub")
        .set(contrast);
      return contrast;
    };
    f.set(squares);
    return [two(false), two(true)];
  }

  /** A mask of those of 4 windows that have enough contrast. */
  #areContrasty(contrasts: readonly [number, number]): void {
    const f = this.#f;
    const least = this.#shared.constants.f64(leastContrast(this.#area));
    for (const contrast of contrasts) f.get(contrast).get(P).memory("v128.load", least).op("f64x2.ge");
    f.shuffle(EVENS_OF_FOUR);
  }

  #factorsOf(contrasts: readonly [number, number]): void {
    const f = this.#f;
    for (const contrast of contrasts) {
      f.get(P).memory("v128.load", this.#shared.constants.f64(1));
      f.get(contrast).op("f64x2.sqrt").op("f64x2.div").op("f32x4.demote_f64x2_zero");
    }
    f.shuffle(LOW_HALVES);
  }

  get #area(): number {
    const { width, height } = this.#rectangle;
    return width * height;
  }
}

/**
 * The smallest integer n for which OpenCV finds enough contrast in a window with this `area * squares - sum * sum`:
 * `area * (float)(1 / sqrt(n)) < 0.1`. Less contrast never gives a smaller factor, so bisection finds it.
 */
function leastContrast(area: number): number {
  let [less, enough] = [0, 2 ** 53];
  while (enough - less > 1) {
    const middle = Math.floor((less + enough) / 2);
    if (area * Math.fround(1 / Math.sqrt(middle)) < 0.1) enough = middle;
    else less = middle;
  }
  return enough;
}
