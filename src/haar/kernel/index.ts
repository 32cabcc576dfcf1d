// The Haar kernel, compiled by AssemblyScript to WebAssembly with SIMD (`npm run build`).
//
// The picture is resized in whole rows, which is the fastest way to read memory, into vertical strips of fixed width.
// They are so narrow that the integral images of the rows that a window covers stay in the processor's nearest cache. A
// strip is processed from top to bottom: a row is added to the integral images, and the row of windows that it
// completes is looked at. What the cascade does in a window is compiled for the cascade (src/haar/compile.ts) and
// called through a table.
//
// The kernel keeps no state: everything it reads and writes is in the imported memory, at addresses that the caller
// lays out (src/haar/layout.ts), so that any number of instances can share that memory. Addresses and offsets are in
// bytes.
//
// Agrees with OpenCV 4.x: resize(INTER_LINEAR_EXACT), integral(), and CascadeClassifier's window loop.

// Words of the parameter block of one scale, written by layout.ts.
const SRC: usize = 0; // luma plane
const SRC_STRIDE: usize = 4;
const SRC_WIDTH: usize = 8;
const SRC_HEIGHT: usize = 12;
const WIDTH: usize = 16; // of the scaled picture
const HEIGHT: usize = 20;
const STEP: usize = 24; // pixels between windows: 1 or 2
const WINDOW_WIDTH: usize = 28;
const WINDOW_HEIGHT: usize = 32;
const PLANE: usize = 36; // bytes of the columns of SUM that are adjacent
const ROWS: usize = 40; // number of rows that fit in SUM, SQ and TILTED
const SUM: usize = 44; // the integral image, u16 (modulo 65536); with step 2, a row's even columns before its odd ones
const SQ: usize = 48; // the integral image of squares, i32, with columns laid out as in SUM
const TILTED: usize = 52; // the tilted integral image, like SUM; 0 if the cascade has no tilted features
const LINES_TILTED: usize = 56; // three lines of i32
const LINE: usize = 60; // bytes of such a line
const PIXELS: usize = 64; // u8: the scaled picture, strip by strip; above each strip is a row of zeros
const PIXELS_BYTES: usize = 68; // bytes of a row of a strip
const COLUMNS: usize = 72; // per scaled column: i32 address in BLEND, two i16 coefficients, in blocks of 4
const BLEND: usize = 76; // u16 per source column: two rows blended
const ENTER: usize = 80; // u8 per row of windows: whether the window loop skips the strip's first one
const STATES: usize = 84; // for one row, a bit per window: passed the first stage; then, passed it or flat
const FACTORS: usize = 88; // f32 per window: norm factors of the rows that wait for the later stages
const FACTORS_BYTES: usize = 92; // bytes of one row
const OUT: usize = 96; // two i32 per window found: x, y in scaled pixels
const OUT_MAX: usize = 100;
const STAGES: usize = 104; // the cascade as tables, for exact decisions
const TREES: usize = 108;
const LEAVES: usize = 112;
const NODES: usize = 116;
const PIECES: usize = 120; // for this step
const FIRST: usize = 124; // table index of the compiled first stage; the later stages follow
const LIST: usize = 128; // windows that wait for the later stages
const ROWS_TOGETHER: usize = 132; // window rows whose later stages are run together

const STRIP: i32 = 256; // pixels from one strip to the next, as in layout.ts

// An entry of LIST describes 64 windows of a row: where the first one is in SUM, its norm factor, its position in the
// scaled picture, and a bit for each window still alive.
const ENTRY_A: usize = 0;
const ENTRY_FACTORS: usize = 4;
const ENTRY_X: usize = 8;
const ENTRY_Y: usize = 12;
const ENTRY_ALIVE: usize = 16;
const ENTRY_BYTES: usize = 32;

const STAGE_BYTES: usize = 12; // first tree, end, threshold
const TREE_BYTES: usize = 8; // first node, first leaf
const NODE_BYTES: usize = 40; // 3 weights, threshold, left, right, first piece, ends of the 3 rectangles' pieces
const PIECE_BYTES: usize = 16; // 4 corners

@inline function word(p: usize, field: usize): usize {
  return <usize>load<u32>(p + field);
}

/** Bytes of a row of SUM and of TILTED; a row of SQ has twice as many. */
@inline function rowBytes(p: usize): usize {
  return word(p, STEP) * word(p, PLANE);
}

@inline function roundHalfEven(x: f64): i32 {
  return <i32>nearest<f64>(x);
}

/** Fills the column table: where in BLEND each column of the scaled picture is interpolated from. */
function writeColumns(p: usize): void {
  const srcWidth = <i32>word(p, SRC_WIDTH);
  const width = <i32>word(p, WIDTH);
  const scale: f64 = 1.0 / (<f64>width / <f64>srcWidth);
  const blend = word(p, BLEND);
  const table = word(p, COLUMNS);
  // Rows are produced 16 pixels at a time.
  for (let i = 0; i < width + 16; i++) {
    const at: f64 = scale * (<f64>min(i, width - 1) + 0.5) - 0.5;
    let column = <i32>floor<f64>(at);
    let c1: i32 = 0;
    if (column < 0) column = 0;
    else if (column < srcWidth - 1) c1 = roundHalfEven((at - <f64>column) * 256.0);
    else column = srcWidth - 1;
    const entry = table + (<usize>(i & ~3) << 3) + (<usize>(i & 3) << 2);
    store<u32>(entry, <u32>blend + (column << 1));
    store<i32>(entry, (256 - c1) | (c1 << 16), 16);
  }
}

/** Blends two source rows into 16-bit values, minus 32768 so that they fit a signed product. */
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

@inline function fourPixels(column: usize): v128 {
  let pairs = v128.load32_zero(load<u32>(column));
  pairs = v128.load32_lane(load<u32>(column, 4), pairs, 1);
  pairs = v128.load32_lane(load<u32>(column, 8), pairs, 2);
  pairs = v128.load32_lane(load<u32>(column, 12), pairs, 3);
  const round = i32x4.splat((256 << 15) + (1 << 15));
  return i32x4.shr_s(i32x4.add(i32x4.dot_i16x8_s(pairs, v128.load(column, 16)), round), 16);
}

/** Resizes the picture into strips. */
function resize(p: usize): void {
  writeColumns(p);
  const srcHeight = <i32>word(p, SRC_HEIGHT);
  const stride = word(p, SRC_STRIDE);
  const height = <i32>word(p, HEIGHT);
  const width = <usize>word(p, WIDTH);
  const scale: f64 = 1.0 / (<f64>height / <f64>srcHeight);
  const columns = word(p, COLUMNS);
  const blend = word(p, BLEND);
  const bytes = word(p, PIXELS_BYTES);
  const strip = bytes * <usize>(height + 1);
  for (let y = 0; y < height; y++) {
    const at: f64 = scale * (<f64>y + 0.5) - 0.5;
    let top = <i32>floor<f64>(at);
    let m1: i32 = 0;
    if (top < 0) top = 0;
    else if (top < srcHeight - 1) m1 = roundHalfEven((at - <f64>top) * 256.0);
    else top = srcHeight - 1;
    const r0 = word(p, SRC) + <usize>top * stride;
    blendRows(r0, m1 > 0 ? r0 + stride : r0, 256 - m1, m1, blend, <i32>word(p, SRC_WIDTH));
    let out = word(p, PIXELS) + <usize>(y + 1) * bytes;
    for (let left: usize = 0; left < width; left += STRIP) {
      for (let x: usize = 0; x < min(bytes, width - left); x += 16) {
        const at = columns + ((left + x) << 3);
        const low = i16x8.narrow_i32x4_s(fourPixels(at), fourPixels(at + 32));
        const high = i16x8.narrow_i32x4_s(fourPixels(at + 64), fourPixels(at + 96));
        v128.store(out + x, i8x16.narrow_i16x8_u(low, high));
      }
      out += strip;
    }
  }
}

/** Each lane plus all lanes before it. */
@inline function prefix16(v: v128): v128 {
  const zero = i16x8.splat(0);
  let sum = i16x8.add(v, v128.shuffle<i16>(zero, v, 7, 8, 9, 10, 11, 12, 13, 14));
  sum = i16x8.add(sum, v128.shuffle<i16>(zero, sum, 6, 7, 8, 9, 10, 11, 12, 13));
  return i16x8.add(sum, v128.shuffle<i16>(zero, sum, 4, 5, 6, 7, 8, 9, 10, 11));
}

@inline function prefix32(v: v128): v128 {
  const zero = i32x4.splat(0);
  const sum = i32x4.add(v, v128.shuffle<i32>(zero, v, 3, 4, 5, 6));
  return i32x4.add(sum, v128.shuffle<i32>(zero, sum, 2, 3, 4, 5));
}

@inline function last16(v: v128): v128 {
  return v128.shuffle<i16>(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
}

@inline function last32(v: v128): v128 {
  return v128.shuffle<i32>(v, v, 3, 3, 3, 3);
}

/** Stores a row of an integral image: the row above plus what this row adds. */
@inline function put16(at: usize, row: usize, value: v128): void {
  v128.store(at, i16x8.add(v128.load(at - row), value));
}

@inline function put32(at: usize, row: usize, value: v128): void {
  v128.store(at, i32x4.add(v128.load(at - row), value));
}

/**
 * Adds a row of pixels below the row above `sum` and `sq`, whose rows take `row` bytes and twice as many. Pixels are
 * summed in pairs; a sum that ends in the middle of a pair is the pair's sum minus its second pixel.
 */
function integrate(pixels: usize, count: usize, sum: usize, sq: usize, row: usize, step: i32): void {
  let carry = i16x8.splat(0);
  let carrySq = i32x4.splat(0);
  const plane = row >> 1;
  const rowSq = row << 1;
  for (let x: usize = 0; x < count; x += 16) {
    const v = v128.load(pixels + x);
    const second = i16x8.shr_u(v, 8);
    const pairs = i16x8.add(prefix16(i16x8.add(v128.and(v, i16x8.splat(0xff)), second)), carry);
    carry = last16(pairs);
    const halves = i16x8.sub(pairs, second);

    const a = i16x8.extend_low_i8x16_u(v);
    const b = i16x8.extend_high_i8x16_u(v);
    const pairs0 = i32x4.add(prefix32(i32x4.dot_i16x8_s(a, a)), carrySq);
    const pairs1 = i32x4.add(prefix32(i32x4.dot_i16x8_s(b, b)), last32(pairs0));
    carrySq = last32(pairs1);
    const seconds = i16x8.mul(second, second);
    const halves0 = i32x4.sub(pairs0, i32x4.extend_low_i16x8_u(seconds));
    const halves1 = i32x4.sub(pairs1, i32x4.extend_high_i16x8_u(seconds));

    // Column 0 of an integral image stays 0.
    if (step == 1) {
      const at = sum + (x << 1);
      put16(at + 2, row, v128.shuffle<i16>(halves, pairs, 0, 8, 1, 9, 2, 10, 3, 11));
      put16(at + 18, row, v128.shuffle<i16>(halves, pairs, 4, 12, 5, 13, 6, 14, 7, 15));
      const to = sq + (x << 2);
      put32(to + 4, rowSq, v128.shuffle<i32>(halves0, pairs0, 0, 4, 1, 5));
      put32(to + 20, rowSq, v128.shuffle<i32>(halves0, pairs0, 2, 6, 3, 7));
      put32(to + 36, rowSq, v128.shuffle<i32>(halves1, pairs1, 0, 4, 1, 5));
      put32(to + 52, rowSq, v128.shuffle<i32>(halves1, pairs1, 2, 6, 3, 7));
    } else {
      put16(sum + x + 2, row, pairs);
      put16(sum + x + plane, row, halves);
      const to = sq + (x << 1);
      put32(to + 4, rowSq, pairs0);
      put32(to + 20, rowSq, pairs1);
      put32(to + row, rowSq, halves0);
      put32(to + row + 16, rowSq, halves1);
    }
  }
}

/**
 * The next line of the tilted integral image (Lienhart and Maydt 2002):
 * T(x, y) = T(x-1, y-1) + T(x+1, y-1) - T(x, y-2) + I(x-1, y-1) + I(x-1, y-2).
 */
function tiltRow(to: usize, up: usize, up2: usize, row: usize, rowUp: usize, width: usize): void {
  store<i32>(to, load<i32>(up, 4));
  for (let x: usize = 1; x < width; x++) {
    const at = x << 2;
    store<i32>(
      to + at,
      load<i32>(up + at - 4) + load<i32>(up + at + 4) - load<i32>(up2 + at) +
        <i32>load<u8>(row + x - 1) + <i32>load<u8>(rowUp + x - 1),
    );
  }
  const last = width << 2;
  store<i32>(to + last, load<i32>(up + last - 4) + <i32>load<u8>(row + width - 1) + <i32>load<u8>(rowUp + width - 1));
}

/** Distributes a line's columns over planes of u16: column c goes to plane c mod `planes`. */
function deal(line: usize, out: usize, plane: usize, columns: usize, planes: usize): void {
  for (let c: usize = 0; c < columns; c++)
    store<u16>(out + (c % planes) * plane + ((c / planes) << 1), load<u16>(line + (c << 2)));
}

/** Sum of a stage's trees in one window, in double precision with single precision inside, like OpenCV. */
function stageTotal(p: usize, stage: usize, a: usize, factor: f32): f64 {
  let total: f64 = 0;
  const end = load<u32>(stage, 4);
  for (let t = load<u32>(stage); t < end; t++) {
    const tree = word(p, TREES) + TREE_BYTES * <usize>t;
    const root = word(p, NODES) + NODE_BYTES * <usize>load<u32>(tree);
    let next: i32 = 0;
    do {
      const node = root + NODE_BYTES * <usize>next;
      next = feature(p, node, a) * factor < load<f32>(node, 12) ? load<i32>(node, 16) : load<i32>(node, 20);
    } while (next > 0);
    total += <f64>load<f32>(word(p, LEAVES) + ((<usize>load<u32>(tree, 4) + <usize>(-next)) << 2));
  }
  return total;
}

function feature(p: usize, node: usize, a: usize): f32 {
  const pieces = word(p, PIECES);
  let piece = load<u32>(node, 24);
  let value: f32 = 0;
  for (let r: usize = 0; r < 3; r++) {
    const end = load<u32>(node + (r << 2), 28);
    let sum: i32 = 0;
    for (; piece < end; piece++) {
      const corners = pieces + PIECE_BYTES * <usize>piece;
      sum += <i32><u16>(corner(corners, a) - corner(corners + 4, a) - corner(corners + 8, a) + corner(corners + 12, a));
    }
    value += load<f32>(node + (r << 2)) * <f32>sum;
  }
  return value;
}

@inline function corner(at: usize, a: usize): i32 {
  return <i32>load<u16>(a + <usize>load<u32>(at));
}

/**
 * Decides again, exactly, those windows of a block whose total came too close to the threshold for 16 bits: those in
 * `near`. Returns `pass`, corrected.
 */
export function settle(p: usize, s: i32, a: usize, factors: usize, near: i32, pass: i32): i32 {
  const stage = word(p, STAGES) + STAGE_BYTES * <usize>s;
  const threshold = <f64>load<f32>(stage, 8);
  while (near) {
    const lane = <usize>ctz(near);
    near &= near - 1;
    const total = stageTotal(p, stage, a + (lane << 1), load<f32>(factors + (lane << 2)));
    pass = total >= threshold ? pass | (1 << <i32>lane) : pass & ~(1 << <i32>lane);
  }
  return pass;
}

/**
 * Which of 64 windows OpenCV's loop skips: each one after a window that is looked at and `fails` in the first stage.
 * `skip` is 1 if the first one is skipped. This resembles characters escaped by backslashes, some of which are escaped
 * themselves: every second one of a run, and whatever follows a run of odd length (Langdale and Lemire 2019).
 */
@inline function skipped(fails: u64, skip: u64): u64 {
  const follow = (fails << 1) | skip;
  const oddStarts = fails & 0xaaaaaaaaaaaaaaaa & ~follow;
  return (0x5555555555555555 ^ ((oddStarts + fails) << 1)) & follow;
}

/** Whether the window after these 64 is skipped. */
@inline function skipsNext(fails: u64, skip: u64): u64 {
  const oddStarts = fails & 0xaaaaaaaaaaaaaaaa & ~((fails << 1) | skip);
  return u64(oddStarts + fails < fails);
}

/**
 * Runs the first stage on a row of a strip's windows, and appends to the list at `end` those that pass it and that
 * OpenCV looks at. `first` is the index of the strip's first window in the picture. Returns the list's new end.
 */
function lookAtRow(p: usize, first: i32, y: i32, windows: i32, sumRow: usize, sqRow: usize, listed: i32, end: usize): usize {
  const states = word(p, STATES);
  const factors = word(p, FACTORS) + <usize>listed * word(p, FACTORS_BYTES);
  const step = <i32>word(p, STEP);
  const enter = word(p, ENTER) + y;
  call_indirect<void>(<u32>word(p, FIRST), p, sumRow, sqRow, factors, states, states + ((windows + 7) >> 3));
  let skip = <u64>load<u8>(enter);
  for (let w = 0; w < windows; w += 64) {
    const at = states + (w >> 3);
    const fails = ~load<u64>(at, STRIP / 8) & ~skip;
    let alive = load<u64>(at) & ~skipped(fails, skip);
    skip = skipsNext(fails, skip);
    if (windows - w < 64) alive &= (<u64>1 << (windows - w)) - 1;
    if (!alive) continue;
    store<u32>(end, sumRow + (w << 1), ENTRY_A);
    store<u32>(end, factors + (w << 2), ENTRY_FACTORS);
    store<i32>(end, (first + w) * step, ENTRY_X);
    store<i32>(end, y, ENTRY_Y);
    store<u64>(end, alive, ENTRY_ALIVE);
    end += ENTRY_BYTES;
  }
  store<u8>(enter, <u8>skip);
  return end;
}

@inline function found(p: usize, count: i32, x: i32, y: i32): i32 {
  if (count < <i32>word(p, OUT_MAX)) {
    const out = word(p, OUT) + (<usize>count << 3);
    store<i32>(out, x);
    store<i32>(out, y, 4);
  }
  return count + 1;
}

/** Runs the compiled later stages on the list, and adds the windows that pass them all to those found. */
function finishList(p: usize, end: usize, count: i32): i32 {
  const list = word(p, LIST);
  const step = <i32>word(p, STEP);
  const last = call_indirect<usize>(<u32>word(p, FIRST) + 1, p, list, end);
  for (let entry = list; entry < last; entry += ENTRY_BYTES)
    for (let alive = load<u64>(entry, ENTRY_ALIVE); alive; alive &= alive - 1)
      count = found(p, count, load<i32>(entry, ENTRY_X) + step * <i32>ctz(alive), load<i32>(entry, ENTRY_Y));
  return count;
}

/** Computes integral row `y + 1` of a strip, at row `at` of the integral images' memory, from its row of `pixels`. */
function addRow(p: usize, y: i32, at: usize, pixels: usize, count: i32): void {
  const step = word(p, STEP);
  const row = rowBytes(p);
  const sum = word(p, SUM) + at * row;
  const sq = word(p, SQ) + at * (row << 1);
  store<u16>(sum, 0);
  store<i32>(sq, 0);
  integrate(pixels, count, sum, sq, row, <i32>step);
  if (!word(p, TILTED)) return;
  const lines = word(p, LINES_TILTED);
  const line = word(p, LINE);
  const newest = lines + <usize>((y + 1) % 3) * line;
  const up = lines + <usize>(y % 3) * line;
  const up2 = lines + <usize>((y + 2) % 3) * line;
  tiltRow(newest, up, up2, pixels, pixels - word(p, PIXELS_BYTES), count);
  deal(newest, word(p, TILTED) + at * row, word(p, PLANE), count + 1, step);
}

/** Clears the row of zeros that integral images start with, and the one above a strip's `pixels`. */
function clearRow(p: usize, pixels: usize): void {
  const row = rowBytes(p);
  memory.fill(word(p, SUM), 0, row);
  memory.fill(word(p, SQ), 0, row << 1);
  if (!word(p, TILTED)) return;
  memory.fill(word(p, TILTED), 0, row);
  memory.fill(word(p, LINES_TILTED), 0, 3 * word(p, LINE));
  memory.fill(pixels, 0, word(p, PIXELS_BYTES));
}

/** Moves integral rows `from` to `end` to the top of their memory. */
function moveRows(p: usize, from: usize, end: usize): void {
  const row = rowBytes(p);
  memory.copy(word(p, SUM), word(p, SUM) + from * row, (end - from) * row);
  memory.copy(word(p, SQ), word(p, SQ) + from * (row << 1), (end - from) * (row << 1));
  if (word(p, TILTED)) memory.copy(word(p, TILTED), word(p, TILTED) + from * row, (end - from) * row);
}

/** Scans the strip of windows that starts with window `first` of each row. */
function scanStrip(p: usize, first: i32, windows: i32, count: i32): i32 {
  const step = <i32>word(p, STEP);
  const height = <i32>word(p, WINDOW_HEIGHT);
  const row = rowBytes(p);
  const rows = <i32>word(p, ROWS);
  const bottom = <i32>word(p, HEIGHT) + 1 - height;
  const columns = (windows - 1) * step + <i32>word(p, WINDOW_WIDTH);
  const bytes = word(p, PIXELS_BYTES);
  const pixels = word(p, PIXELS) + <usize>(first * step / STRIP) * bytes * (word(p, HEIGHT) + 1);
  clearRow(p, pixels);
  // Integral rows [top, made) of the strip are in memory.
  let top = 0;
  let made = 1;
  let listed = 0; // window rows
  let end = word(p, LIST);
  for (let y = 0; y < bottom; y += step) {
    for (; made <= y + height; made++) {
      if (made - top == rows) {
        count = finishList(p, end, count);
        end = word(p, LIST);
        listed = 0;
        moveRows(p, y - top, made - top);
        top = y;
      }
      addRow(p, made - 1, made - top, pixels + <usize>made * bytes, columns);
    }
    const sumRow = word(p, SUM) + <usize>(y - top) * row;
    const sqRow = word(p, SQ) + <usize>(y - top) * (row << 1);
    end = lookAtRow(p, first, y, windows, sumRow, sqRow, listed, end);
    if (++listed == <i32>word(p, ROWS_TOGETHER)) {
      count = finishList(p, end, count);
      end = word(p, LIST);
      listed = 0;
    }
  }
  return finishList(p, end, count);
}

/** Runs the cascade over every window of one scale. Returns how many were found; OUT holds the first OUT_MAX. */
export function scan(p: usize): i32 {
  const step = <i32>word(p, STEP);
  const right = <i32>word(p, WIDTH) + 1 - <i32>word(p, WINDOW_WIDTH);
  const bottom = <i32>word(p, HEIGHT) + 1 - <i32>word(p, WINDOW_HEIGHT);
  const windows = (right + step - 1) / step;
  memory.fill(word(p, ENTER), 0, bottom);
  resize(p);
  let count = 0;
  const most = STRIP / step;
  for (let first = 0; first < windows; first += most)
    count = scanStrip(p, first, min(windows - first, most), count);
  return count;
}
