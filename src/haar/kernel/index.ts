// The Haar kernel, compiled by AssemblyScript to WebAssembly with SIMD (`npm run build:kernel`).
//
// It keeps no state: everything it reads and writes lies in the memory it imports, at addresses which the caller
// lays out (src/haar/layout.ts), so that any number of instances share that memory. Addresses and offsets are bytes.
//
// Agrees with OpenCV 4.x: resize(INTER_LINEAR_EXACT), integral(), and CascadeClassifier's window loop.

// Words of the parameter block of one scale; layout.ts writes them.
const SRC: usize = 0; // luma plane
const SRC_STRIDE: usize = 4;
const SRC_WIDTH: usize = 8;
const SRC_HEIGHT: usize = 12;
const WIDTH: usize = 16; // of the scaled picture
const HEIGHT: usize = 20;
const STEP: usize = 24; // pixels between windows: 1 or 2
const PLANE: usize = 28; // bytes of one column plane of an integral row
const ROW: usize = 32; // bytes of an integral row: 2 * step planes
const XOFS: usize = 36; // i32 a column: byte offset into BLEND
const XCOEF: usize = 40; // two i16 a column
const BLEND: usize = 44; // u16 a source column: two rows blended
const LINE_SUM: usize = 48; // i32 a column: newest row of the integral, in natural order
const LINE_SQ: usize = 52;
const SUM: usize = 56; // the integral image, its columns dealt out to planes
const SQ: usize = 60;
const TILTED: usize = 64; // 0 where the cascade has no tilted feature
const LINE_TILTED: usize = 68; // three lines of i32
const PIXELS: usize = 72; // two lines of i32
const LINE: usize = 76; // bytes of a line
const STAGES: usize = 80;
const STAGE_COUNT: usize = 84;
const NODES: usize = 88; // of even windows; odd ones follow at NODES_ODD
const NODES_ODD: usize = 92;
const NORM: usize = 96; // f64 area of the normalisation rectangle (8-byte aligned)
const NORM_MAX: usize = 104; // f32: a greater norm factor means a flat window
const NORM_EVEN: usize = 108; // four offsets of the normalisation rectangle's corners
const NORM_ODD: usize = 124;
const CODES: usize = 140; // three u8 a block of 8 windows: done, passed, flat; even windows then odd ones
const FACTORS: usize = 144; // f32 a window, likewise
const FAST: usize = 148; // as NODES, in the form for vectors
const FAST_ODD: usize = 152;
const VISITED: usize = 188; // u8 a block of 4 windows, even ones then odd ones
const HALF: usize = 156; // windows of one parity there is room for, a multiple of 16
const OUT: usize = 160; // two i32 a found window: x, y in scaled pixels
const OUT_MAX: usize = 164;
const WINDOW_WIDTH: usize = 168;
const WINDOW_HEIGHT: usize = 172;
const TREES: usize = 176; // 0 when all trees are stumps
const NODE_TREES: usize = 180; // per tree: first node, node count, first leaf
const LEAVES: usize = 184;

// One node: 12 corner offsets, 3 weights, threshold, left, right (leaf values of a stump, else i32 links).
const NODE_BYTES: usize = 80;
// The same stump for vectors: 8 merged corner offsets, threshold, left - right, and the most that the rest of the
// stage can still add. Corners that two rectangles share are read once, and integer sums are exact.
const FAST_BYTES: usize = 48;
// One stage: first node (or tree), count, threshold, guard, edge stumps, line stumps, sum of right leaves. Its stumps
// come in this order: edges (two halves), lines (a middle third weighing 3), all others.
const STAGE_BYTES: usize = 32;

@inline function word(p: usize, field: usize): usize {
  return <usize>load<u32>(p + field);
}

@inline function roundHalfEven(x: f64): i32 {
  return <i32>nearest<f64>(x);
}

/** Fills the column tables of a resize; one row of them serves all rows. */
function columns(p: usize): void {
  const srcWidth = <i32>word(p, SRC_WIDTH);
  const width = <i32>word(p, WIDTH);
  const xofs = word(p, XOFS);
  const xcoef = word(p, XCOEF);
  const scale: f64 = 1.0 / (<f64>width / <f64>srcWidth);
  const padded = (width + 3) & ~3; // rows are made four pixels at a time
  for (let x = 0; x < padded; x++) {
    const at: f64 = scale * (<f64>x + 0.5) - 0.5;
    let left = <i32>floor<f64>(at);
    let c1: i32 = 0;
    if (left < 0) left = 0;
    else if (left < srcWidth - 1) c1 = roundHalfEven((at - <f64>left) * 256.0);
    else left = srcWidth - 1;
    store<i32>(xofs + (<usize>x << 2), left << 1);
    store<i32>(xcoef + (<usize>x << 2), (256 - c1) | (c1 << 16));
  }
}

/** Blends two source rows into 16-bit values, less 32768 so that they fit a signed product. */
function blendRows(r0: usize, r1: usize, m0: i32, m1: i32, out: usize, width: i32): void {
  const w0 = i16x8.splat(<i16>m0);
  const w1 = i16x8.splat(<i16>m1);
  const bias = i16x8.splat(-32768);
  let x: usize = 0;
  const whole: usize = <usize>(width & ~15);
  for (; x < whole; x += 16) {
    const a = v128.load(r0 + x);
    const b = v128.load(r1 + x);
    const low = i16x8.add(
      i16x8.mul(i16x8.extend_low_i8x16_u(a), w0),
      i16x8.mul(i16x8.extend_low_i8x16_u(b), w1),
    );
    const high = i16x8.add(
      i16x8.mul(i16x8.extend_high_i8x16_u(a), w0),
      i16x8.mul(i16x8.extend_high_i8x16_u(b), w1),
    );
    v128.store(out + (x << 1), v128.xor(low, bias));
    v128.store(out + (x << 1), v128.xor(high, bias), 16);
  }
  for (; x < <usize>width; x++)
    store<u16>(out + (x << 1), <u16>((<i32>load<u8>(r0 + x) * m0 + <i32>load<u8>(r1 + x) * m1) ^ 0x8000));
}

@inline function prefix(v: v128): v128 {
  const zero = i32x4.splat(0);
  const once = i32x4.add(v, v128.shuffle<i32>(v, zero, 4, 0, 1, 2));
  return i32x4.add(once, v128.shuffle<i32>(once, zero, 4, 4, 0, 1));
}

/** Resizes one row from BLEND and adds it to the running lines of the integrals. */
function integrateRow(p: usize, pixels: usize): void {
  const width = <usize>word(p, WIDTH);
  const xofs = word(p, XOFS);
  const xcoef = word(p, XCOEF);
  const blend = word(p, BLEND);
  const sum = word(p, LINE_SUM) + 4; // column 0 of an integral stays 0
  const sq = word(p, LINE_SQ) + 4;
  const round = i32x4.splat((256 << 15) + (1 << 15));
  let carry = i32x4.splat(0);
  let carrySq = i32x4.splat(0);
  for (let x: usize = 0; x < width; x += 4) {
    const at = x << 2;
    let pairs = v128.load32_zero(blend + load<u32>(xofs + at));
    pairs = v128.load32_lane(blend + load<u32>(xofs + at, 4), pairs, 1);
    pairs = v128.load32_lane(blend + load<u32>(xofs + at, 8), pairs, 2);
    pairs = v128.load32_lane(blend + load<u32>(xofs + at, 12), pairs, 3);
    const pixel = i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(pairs, v128.load(xcoef + at)), round), 16);
    if (pixels) v128.store(pixels + at, pixel);
    const line = i32x4.add(prefix(pixel), carry);
    const lineSq = i32x4.add(prefix(i32x4.dot_i16x8_s(pixel, pixel)), carrySq);
    carry = v128.shuffle<i32>(line, line, 3, 3, 3, 3);
    carrySq = v128.shuffle<i32>(lineSq, lineSq, 3, 3, 3, 3);
    v128.store(sum + at, i32x4.add(v128.load(sum + at), line));
    v128.store(sq + at, i32x4.add(v128.load(sq + at), lineSq));
  }
}

/** Deals a line's columns out to planes: column c to plane c mod `planes`. */
function deal(line: usize, out: usize, plane: usize, columns: usize, planes: usize): void {
  if (planes == 2) {
    for (let c: usize = 0; c < columns; c += 8) {
      const a = v128.load(line + (c << 2));
      const b = v128.load(line + (c << 2), 16);
      v128.store(out + (c << 1), v128.shuffle<i32>(a, b, 0, 2, 4, 6));
      v128.store(out + plane + (c << 1), v128.shuffle<i32>(a, b, 1, 3, 5, 7));
    }
    return;
  }
  for (let c: usize = 0; c < columns; c += 16) {
    const a = v128.load(line + (c << 2));
    const b = v128.load(line + (c << 2), 16);
    const d = v128.load(line + (c << 2), 32);
    const e = v128.load(line + (c << 2), 48);
    const ab0 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
    const ab1 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
    const de0 = v128.shuffle<i32>(d, e, 0, 4, 1, 5);
    const de1 = v128.shuffle<i32>(d, e, 2, 6, 3, 7);
    v128.store(out + c, v128.shuffle<i32>(ab0, de0, 0, 1, 4, 5));
    v128.store(out + plane + c, v128.shuffle<i32>(ab0, de0, 2, 3, 6, 7));
    v128.store(out + 2 * plane + c, v128.shuffle<i32>(ab1, de1, 0, 1, 4, 5));
    v128.store(out + 3 * plane + c, v128.shuffle<i32>(ab1, de1, 2, 3, 6, 7));
  }
}

/**
 * The next line of the tilted integral (Lienhart and Maydt 2002):
 * T(x, y) = T(x-1, y-1) + T(x+1, y-1) - T(x, y-2) + I(x-1, y-1) + I(x-1, y-2).
 */
function tiltRow(to: usize, up: usize, up2: usize, row: usize, rowUp: usize, width: usize): void {
  store<i32>(to, load<i32>(up, 4));
  for (let x: usize = 1; x < width; x++) {
    const at = x << 2;
    store<i32>(
      to + at,
      load<i32>(up + at - 4) + load<i32>(up + at + 4) - load<i32>(up2 + at) +
        load<i32>(row + at - 4) + load<i32>(rowUp + at - 4),
    );
  }
  const last = width << 2;
  store<i32>(to + last, load<i32>(up + last - 4) + load<i32>(row + last - 4) + load<i32>(rowUp + last - 4));
}

/** Resizes the picture to this scale and makes its integral, squared and (where wanted) tilted integral. */
export function integrate(p: usize): void {
  const src = word(p, SRC);
  const stride = word(p, SRC_STRIDE);
  const srcWidth = <i32>word(p, SRC_WIDTH);
  const srcHeight = <i32>word(p, SRC_HEIGHT);
  const width = word(p, WIDTH);
  const height = <i32>word(p, HEIGHT);
  const plane = word(p, PLANE);
  const rowBytes = word(p, ROW);
  const planes = word(p, STEP) << 1;
  const blend = word(p, BLEND);
  const lineSum = word(p, LINE_SUM);
  const lineSq = word(p, LINE_SQ);
  const line = word(p, LINE);
  const tilted = word(p, TILTED);
  let sum = word(p, SUM);
  let sq = word(p, SQ);

  columns(p);
  memory.fill(lineSum, 0, line);
  memory.fill(lineSq, 0, line);
  deal(lineSum, sum, plane, width + 1, planes);
  deal(lineSq, sq, plane, width + 1, planes);
  let tilt = tilted;
  let t0 = word(p, LINE_TILTED);
  let t1 = t0 + line;
  let t2 = t1 + line;
  let pixels: usize = 0;
  let pixelsUp: usize = 0;
  if (tilted) {
    pixels = word(p, PIXELS);
    pixelsUp = pixels + line;
    memory.fill(t0, 0, 3 * line);
    memory.fill(pixels, 0, 2 * line);
    deal(t0, tilt, plane, width + 1, planes);
  }

  const scale: f64 = 1.0 / (<f64>height / <f64>srcHeight);
  for (let y = 0; y < height; y++) {
    const at: f64 = scale * (<f64>y + 0.5) - 0.5;
    let top = <i32>floor<f64>(at);
    let m1: i32 = 0;
    if (top < 0) top = 0;
    else if (top < srcHeight - 1) m1 = roundHalfEven((at - <f64>top) * 256.0);
    else top = srcHeight - 1;
    const r0 = src + <usize>top * stride;
    blendRows(r0, m1 > 0 ? r0 + stride : r0, 256 - m1, m1, blend, srcWidth);
    integrateRow(p, pixels);
    sum += rowBytes;
    sq += rowBytes;
    deal(lineSum, sum, plane, width + 1, planes);
    deal(lineSq, sq, plane, width + 1, planes);
    if (tilted) {
      tilt += rowBytes;
      tiltRow(t2, t0, t1, pixels, pixelsUp, width);
      deal(t2, tilt, plane, width + 1, planes);
      const oldest = t1;
      t1 = t0;
      t0 = t2;
      t2 = oldest;
      const above = pixelsUp;
      pixelsUp = pixels;
      pixels = above;
    }
  }
}

@inline function rectSum(at: usize, corners: usize): v128 {
  return i32x4.add(
    i32x4.sub(v128.load(at + load<u32>(corners)), v128.load(at + load<u32>(corners, 4))),
    i32x4.sub(v128.load(at + load<u32>(corners, 12)), v128.load(at + load<u32>(corners, 8))),
  );
}

@inline function rectSumOf(at: usize, corners: usize): i32 {
  return (
    load<i32>(at + load<u32>(corners)) - load<i32>(at + load<u32>(corners, 4)) -
    load<i32>(at + load<u32>(corners, 8)) + load<i32>(at + load<u32>(corners, 12))
  );
}

/** A feature's value in one window, in OpenCV's order of single-precision operations. */
@inline function featureOf(at: usize, node: usize): f32 {
  let value: f32 =
    load<f32>(node, 48) * <f32>rectSumOf(at, node) + load<f32>(node, 52) * <f32>rectSumOf(at, node + 16);
  const w2 = load<f32>(node, 56);
  if (w2 != 0) value += w2 * <f32>rectSumOf(at, node + 32);
  return value;
}

/** Whether one window passes a stage of stumps, summed in double precision as OpenCV does. */
function passesExactly(at: usize, factor: f32, node: usize, count: i32, threshold: f32): bool {
  let total: f64 = 0;
  for (let i = 0; i < count; i++) {
    const value = featureOf(at, node) * factor;
    total += <f64>(value < load<f32>(node, 60) ? load<f32>(node, 64) : load<f32>(node, 68));
    node += NODE_BYTES;
  }
  return total >= <f64>threshold;
}

/** Norm factors of 4 windows; the sign bit is set in lanes of flat windows. */
@inline function normFactors(sumAt: usize, sqAt: usize, corners: usize, area: f64, most: f32): v128 {
  const sum = rectSum(sumAt, corners);
  const sq = rectSum(sqAt, corners);
  const sumHigh = v128.shuffle<i32>(sum, sum, 2, 3, 2, 3);
  const sqHigh = v128.shuffle<i32>(sq, sq, 2, 3, 2, 3);
  const areas = f64x2.splat(area);
  const one = f64x2.splat(1.0);
  const s0 = f64x2.convert_low_i32x4_s(sum);
  const s1 = f64x2.convert_low_i32x4_s(sumHigh);
  const n0 = f64x2.sub(f64x2.mul(areas, f64x2.convert_low_i32x4_u(sq)), f64x2.mul(s0, s0));
  const n1 = f64x2.sub(f64x2.mul(areas, f64x2.convert_low_i32x4_u(sqHigh)), f64x2.mul(s1, s1));
  const f0 = f32x4.demote_f64x2_zero(f64x2.div(one, f64x2.sqrt(n0)));
  const f1 = f32x4.demote_f64x2_zero(f64x2.div(one, f64x2.sqrt(n1)));
  const factors = v128.shuffle<i32>(f0, f1, 0, 1, 4, 5);
  // Not-a-number (a negative variance) and infinity (none) fail this comparison, as does too small a variance.
  const good = f32x4.le(factors, f32x4.splat(most));
  return v128.or(v128.and(factors, good), v128.andnot(i32x4.splat(<i32>0x80000000), good));
}

/** (p1 + p2 - q1 - q2) + 2 (P - Q): two rectangles, one of them half of the other. */
@inline function edge(at: usize, c: usize, lane: usize): v128 {
  const twice = i32x4.sub(v128.load(at + load<u32>(c) + lane), v128.load(at + load<u32>(c, 4) + lane));
  const a = i32x4.sub(v128.load(at + load<u32>(c, 8) + lane), v128.load(at + load<u32>(c, 12) + lane));
  const b = i32x4.sub(v128.load(at + load<u32>(c, 16) + lane), v128.load(at + load<u32>(c, 20) + lane));
  return i32x4.add(i32x4.add(twice, twice), i32x4.add(a, b));
}

/** (p1 + p2 - q1 - q2) + 3 (P1 + P2 - Q1 - Q2): a rectangle and its middle third. */
@inline function line(at: usize, c: usize, lane: usize): v128 {
  const thrice = i32x4.add(
    i32x4.sub(v128.load(at + load<u32>(c) + lane), v128.load(at + load<u32>(c, 4) + lane)),
    i32x4.sub(v128.load(at + load<u32>(c, 8) + lane), v128.load(at + load<u32>(c, 12) + lane)),
  );
  const a = i32x4.sub(v128.load(at + load<u32>(c, 16) + lane), v128.load(at + load<u32>(c, 20) + lane));
  const b = i32x4.sub(v128.load(at + load<u32>(c, 24) + lane), v128.load(at + load<u32>(c, 28) + lane));
  return i32x4.add(i32x4.add(i32x4.add(thrice, thrice), thrice), i32x4.add(a, b));
}

/** Any feature, as OpenCV computes it. */
@inline function anyFeature(at: usize, node: usize): v128 {
  let value = f32x4.add(
    f32x4.mul(v128.load32_splat(node, 48), f32x4.convert_i32x4_s(rectSum(at, node))),
    f32x4.mul(v128.load32_splat(node, 52), f32x4.convert_i32x4_s(rectSum(at, node + 16))),
  );
  if (load<f32>(node, 56) != 0)
    value = f32x4.add(
      value,
      f32x4.mul(v128.load32_splat(node, 56), f32x4.convert_i32x4_s(rectSum(at, node + 32))),
    );
  return value;
}

/** What a stump adds to a total that began with the sum of all right leaves. */
@inline function share(value: v128, factor: v128, fast: usize): v128 {
  return v128.and(
    f32x4.lt(f32x4.mul(value, factor), v128.load32_splat(fast, 32)),
    v128.load32_splat(fast, 36),
  );
}

/** Decides again, exactly, the lanes whose total came too near the threshold for single precision to tell. */
function settle(near: i32, pass: i32, at: usize, factors: usize, node: usize, count: i32, threshold: f32): i32 {
  while (near) {
    const lane = ctz(near);
    near &= near - 1;
    const ok = passesExactly(at + (<usize>lane << 2), load<f32>(factors + (<usize>lane << 2)), node, count, threshold);
    pass = ok ? pass | (1 << lane) : pass & ~(1 << lane);
  }
  return pass;
}

/**
 * Norm factors and the first stage of 8 windows of one parity, beginning with its `k`-th. Returns a bit for each that
 * passes, and in the second byte a bit for each that is flat.
 */
function firstStage(p: usize, parity: usize, k: usize, sumRow: usize, sqRow: usize): i32 {
  const corners = p + (parity ? NORM_ODD : NORM_EVEN);
  const area = load<f64>(p, NORM);
  const most = load<f32>(p, NORM_MAX);
  const at = sumRow + (k << 2);
  const sqAt = sqRow + (k << 2);
  const factorsAt = word(p, FACTORS) + ((parity * word(p, HALF) + k) << 2);
  const a = normFactors(at, sqAt, corners, area, most);
  const b = normFactors(at + 16, sqAt + 16, corners, area, most);
  v128.store(factorsAt, a);
  v128.store(factorsAt, b, 16);
  const flat = i32x4.bitmask(a) | (i32x4.bitmask(b) << 4);
  if (flat == 0xff) return 0xff00;

  const stage = word(p, STAGES);
  const index = <usize>load<u32>(stage);
  const count = load<i32>(stage, 4);
  const guard = load<f32>(stage, 12);
  const edges = load<i32>(stage, 16);
  const lines = edges + load<i32>(stage, 20);
  let fast = word(p, parity ? FAST_ODD : FAST) + FAST_BYTES * index;
  const first = word(p, parity ? NODES_ODD : NODES) + NODE_BYTES * index;
  const hopeless = f32x4.splat(-guard);
  let ta = f32x4.splat(load<f32>(stage, 24) - load<f32>(stage, 8));
  let tb = ta;
  for (let i = 0; i < count; i++) {
    if (i < edges) {
      ta = f32x4.add(ta, share(f32x4.convert_i32x4_s(edge(at, fast, 0)), a, fast));
      tb = f32x4.add(tb, share(f32x4.convert_i32x4_s(edge(at, fast, 16)), b, fast));
    } else if (i < lines) {
      ta = f32x4.add(ta, share(f32x4.convert_i32x4_s(line(at, fast, 0)), a, fast));
      tb = f32x4.add(tb, share(f32x4.convert_i32x4_s(line(at, fast, 16)), b, fast));
    } else {
      const node = first + NODE_BYTES * <usize>i;
      ta = f32x4.add(ta, share(anyFeature(at, node), a, fast));
      tb = f32x4.add(tb, share(anyFeature(at + 16, node), b, fast));
    }
    if (i > 1) {
      const rest = v128.load32_splat(fast, 40);
      if (!v128.any_true(v128.or(f32x4.ge(f32x4.add(ta, rest), hopeless), f32x4.ge(f32x4.add(tb, rest), hopeless))))
        return flat << 8;
    }
    fast += FAST_BYTES;
  }
  const zero = f32x4.splat(0);
  const guards = f32x4.splat(guard);
  const pass = i32x4.bitmask(f32x4.ge(ta, zero)) | (i32x4.bitmask(f32x4.ge(tb, zero)) << 4);
  const near =
    (i32x4.bitmask(f32x4.lt(f32x4.abs(ta), guards)) | (i32x4.bitmask(f32x4.lt(f32x4.abs(tb), guards)) << 4)) & ~flat;
  const sure = near ? settle(near, pass, at, factorsAt, first, count, load<f32>(stage, 8)) : pass;
  return (sure & ~flat) | (flat << 8);
}

/** The stages after the first for those of 4 windows that `alive` names; returns the ones that pass all. */
function laterStages(p: usize, parity: usize, k: usize, sumRow: usize, alive: i32): i32 {
  const at = sumRow + (k << 2);
  const factorsAt = word(p, FACTORS) + ((parity * word(p, HALF) + k) << 2);
  const factor = v128.load(factorsAt);
  const nodes = word(p, parity ? NODES_ODD : NODES);
  const fasts = word(p, parity ? FAST_ODD : FAST);
  const end = word(p, STAGES) + STAGE_BYTES * word(p, STAGE_COUNT);
  // Lanes that are out of it never hold the others up.
  let open = i32x4.ne(v128.and(i32x4.splat(alive), i32x4(1, 2, 4, 8)), i32x4.splat(0));
  for (let stage = word(p, STAGES) + STAGE_BYTES; stage < end; stage += STAGE_BYTES) {
    const index = <usize>load<u32>(stage);
    const first = nodes + NODE_BYTES * index;
    const count = load<i32>(stage, 4);
    const guard = load<f32>(stage, 12);
    const edges = load<i32>(stage, 16);
    const lines = edges + load<i32>(stage, 20);
    const hopeless = f32x4.splat(-guard);
    let fast = fasts + FAST_BYTES * index;
    let total = f32x4.splat(load<f32>(stage, 24) - load<f32>(stage, 8));
    for (let i = 0; i < count; i++) {
      let value: v128;
      if (i < edges) value = f32x4.convert_i32x4_s(edge(at, fast, 0));
      else if (i < lines) value = f32x4.convert_i32x4_s(line(at, fast, 0));
      else value = anyFeature(at, first + NODE_BYTES * <usize>i);
      total = f32x4.add(total, share(value, factor, fast));
      if ((i & 3) == 3) {
        const hope = f32x4.ge(f32x4.add(total, v128.load32_splat(fast, 40)), hopeless);
        if (!v128.any_true(v128.and(hope, open))) return 0;
      }
      fast += FAST_BYTES;
    }
    let pass = i32x4.bitmask(f32x4.ge(total, f32x4.splat(0)));
    const near = i32x4.bitmask(f32x4.lt(f32x4.abs(total), f32x4.splat(guard))) & alive;
    if (near) pass = settle(near, pass, at, factorsAt, first, count, load<f32>(stage, 8));
    alive &= pass;
    if (!alive) return 0;
    open = i32x4.ne(v128.and(i32x4.splat(alive), i32x4(1, 2, 4, 8)), i32x4.splat(0));
  }
  return alive;
}

@inline function found(p: usize, count: i32, x: i32, y: i32): i32 {
  if (count < <i32>word(p, OUT_MAX)) {
    const out = word(p, OUT) + (<usize>count << 3);
    store<i32>(out, x);
    store<i32>(out, y, 4);
  }
  return count + 1;
}

/**
 * Looks at the windows of one row as OpenCV's loop does: from left to right, skipping the window after one that
 * fails in the first stage. Windows come in two parities; 8 of one parity are computed together, and only when the
 * walk first needs one of them.
 */
function walkRow(p: usize, windows: i32, sumRow: usize, sqRow: usize): bool {
  const half = word(p, HALF);
  const blocks = half >> 3;
  const codes = word(p, CODES);
  const visited = word(p, VISITED);
  memory.fill(codes, 0, 2 * blocks);
  memory.fill(visited, 0, half >> 1);
  let any = false;
  let i: i32 = 0;
  while (i < windows) {
    const parity = <usize>(i & 1);
    const k = <usize>(i >> 1);
    const block = codes + parity * blocks + (k >> 3);
    if (!load<u8>(block)) {
      const result = firstStage(p, parity, k & ~7, sumRow, sqRow);
      store<u8>(block, 1);
      store<u8>(block + 2 * blocks, <u8>result);
      store<u8>(block + 4 * blocks, <u8>(result >> 8));
    }
    const lane = <i32>(k & 7);
    const passed = <i32>load<u8>(block + 2 * blocks) >> lane;
    const flat = <i32>load<u8>(block + 4 * blocks) >> lane;
    // Failures from here to the next window that is none: the walk goes on in steps of two, in this parity.
    const fails = ctz((passed | flat) | (1 << (8 - lane)));
    if (fails) {
      i += 2 * fails;
      continue;
    }
    if (passed & 1) {
      const at = visited + parity * (half >> 2) + (k >> 2);
      store<u8>(at, load<u8>(at) | (<u8>1 << <u8>(k & 3)));
      any = true;
    }
    i++;
  }
  return any;
}

/** Runs a cascade of stumps over every window of one scale. Returns how many were found; OUT holds the first OUT_MAX. */
export function scanStumps(p: usize): i32 {
  const step = <i32>word(p, STEP);
  const rowBytes = word(p, ROW);
  const right = <i32>word(p, WIDTH) + 1 - <i32>word(p, WINDOW_WIDTH);
  const bottom = <i32>word(p, HEIGHT) + 1 - <i32>word(p, WINDOW_HEIGHT);
  const half = word(p, HALF);
  const visited = word(p, VISITED);
  const windows = (right + step - 1) / step;
  let count: i32 = 0;
  for (let y = 0; y < bottom; y += step) {
    const sumRow = word(p, SUM) + <usize>y * rowBytes;
    const sqRow = word(p, SQ) + <usize>y * rowBytes;
    if (!walkRow(p, windows, sumRow, sqRow)) continue;
    for (let parity: usize = 0; parity < 2; parity++) {
      const blocks = visited + parity * (half >> 2);
      for (let block: usize = 0; block < half >> 2; block++) {
        const alive = <i32>load<u8>(blocks + block);
        if (!alive) continue;
        let pass = laterStages(p, parity, block << 2, sumRow, alive);
        while (pass) {
          const k = <i32>(block << 2) + ctz(pass);
          pass &= pass - 1;
          count = found(p, count, (2 * k + <i32>parity) * step, y);
        }
      }
    }
  }
  return count;
}

/** Sums one stage of trees for one window. */
function treesTotal(p: usize, nodes: usize, stage: usize, at: usize, factor: f32): f64 {
  const first = load<u32>(stage);
  const end = first + load<u32>(stage, 4);
  let total: f64 = 0;
  for (let t = first; t < end; t++) {
    const tree = word(p, NODE_TREES) + <usize>t * 8;
    const root = nodes + NODE_BYTES * <usize>load<u32>(tree);
    let next: i32 = 0;
    do {
      const node = root + NODE_BYTES * <usize>next;
      next = featureOf(at, node) * factor < load<f32>(node, 60) ? load<i32>(node, 64) : load<i32>(node, 68);
    } while (next > 0);
    total += <f64>load<f32>(word(p, LEAVES) + ((<usize>load<u32>(tree, 4) + <usize>(-next)) << 2));
  }
  return total;
}

/** As `scanStumps`, window by window, for cascades with larger trees. */
export function scanTrees(p: usize): i32 {
  const step = <i32>word(p, STEP);
  const rowBytes = word(p, ROW);
  const right = <i32>word(p, WIDTH) + 1 - <i32>word(p, WINDOW_WIDTH);
  const bottom = <i32>word(p, HEIGHT) + 1 - <i32>word(p, WINDOW_HEIGHT);
  const stages = word(p, STAGES);
  const stageCount = <i32>word(p, STAGE_COUNT);
  const area = load<f64>(p, NORM);
  const most = load<f32>(p, NORM_MAX);
  let count: i32 = 0;
  for (let y = 0; y < bottom; y += step) {
    for (let i = 0, x = 0; x < right; i++, x += step) {
      const parity = <usize>(i & 1);
      const column = <usize>(i >> 1) << 2;
      const corners = p + (parity ? NORM_ODD : NORM_EVEN);
      const at = word(p, SUM) + <usize>y * rowBytes + column;
      const sqAt = word(p, SQ) + <usize>y * rowBytes + column;
      const sum = <f64>rectSumOf(at, corners);
      const variance = area * <f64><u32>rectSumOf(sqAt, corners) - sum * sum;
      const factor = <f32>(1.0 / sqrt<f64>(variance));
      if (!(factor <= most)) continue;
      const nodes = word(p, parity ? NODES_ODD : NODES);
      let s: i32 = 0;
      for (; s < stageCount; s++) {
        const stage = stages + STAGE_BYTES * <usize>s;
        if (treesTotal(p, nodes, stage, at, factor) < <f64>load<f32>(stage, 8)) break;
      }
      if (s == stageCount) count = found(p, count, x, y);
      else if (s == 0) {
        i++;
        x += step;
      }
    }
  }
  return count;
}
