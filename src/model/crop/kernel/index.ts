// Resizes a face. Compiled by AssemblyScript to WebAssembly with SIMD (scripts/build-kernel.ts).
//
// It keeps no state: the caller (src/model/crop/wasm.ts) lays out everything it reads and writes, and passes addresses
// in bytes. An axis is described by the first source pixel of each output pixel (i32) and by the weights (i16, `span`
// per output pixel, a multiple of 8, padded with zeros).

/** Reduces each row of pixels (u8) to `width` weighted sums (i32). */
export function resizeLines(
  pixels: usize,
  stride: usize,
  rows: i32,
  width: i32,
  first: usize,
  weights: usize,
  span: usize,
  lines: usize,
): void {
  for (let row = 0; row < rows; row++) {
    let taps = weights;
    for (let x: usize = 0; x < <usize>width; x++) {
      let from = pixels + load<i32>(first + (x << 2));
      const end = taps + (span << 1);
      let sum = i32x4.splat(0);
      while (taps < end) {
        sum = i32x4.add(sum, i32x4.dot_i16x8_s(v128.load_ext<u8>(from), v128.load(taps)));
        from += 8;
        taps += 16;
      }
      const half = i32x4.add(sum, i8x16.shuffle(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
      store<i32>(lines, i32x4.extract_lane(half, 0) + i32x4.extract_lane(half, 1));
      lines += 4;
    }
    pixels += stride;
  }
}

/**
 * Weights lines of `width` sums once more, down the columns, into `height` rows of `value * unit + shift` (f32). May
 * write up to three values past the end.
 */
export function mergeLines(
  lines: usize,
  width: i32,
  height: i32,
  first: usize,
  count: usize,
  weights: usize,
  span: usize,
  unit: f32,
  shift: f32,
  out: usize,
): void {
  const bytes = <usize>width << 2;
  for (let y: usize = 0; y < <usize>height; y++) {
    const top = lines + <usize>load<i32>(first + (y << 2)) * bytes;
    const taps = weights + y * (span << 1);
    const end = taps + (<usize>load<i32>(count + (y << 2)) << 1);
    for (let x: usize = 0; x < bytes; x += 16) {
      let from = top + x;
      let sum = f32x4.splat(0);
      for (let tap = taps; tap < end; tap += 2) {
        const weight = f32x4.splat(<f32>load<i16>(tap));
        sum = f32x4.add(sum, f32x4.mul(weight, f32x4.convert_i32x4_s(v128.load(from))));
        from += bytes;
      }
      v128.store(out + x, f32x4.add(f32x4.mul(sum, f32x4.splat(unit)), f32x4.splat(shift)));
    }
    out += bytes;
  }
}
