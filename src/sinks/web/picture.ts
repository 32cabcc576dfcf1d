import sharp from "sharp";
import type { Frame } from "../../media/frame.js";
import { type ColourInfo, lumaWeights } from "../../media/video-info.js";

/** Pixels to encode: RGB, row-major, 3 bytes per pixel. */
export interface Shrunk {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** Integer by which both sides are divided so that neither exceeds `maxSide`. */
function divisorOf(frame: Frame, maxSide: number): number {
  return Math.max(1, Math.ceil(Math.max(frame.width, frame.height) / maxSide));
}

/** Coefficients of the conversion to RGB, with 8 fractional bits. */
function coefficientsOf({ range, matrix }: Pick<ColourInfo, "range" | "matrix">, height: number) {
  const [kr, kb] = lumaWeights(matrix, height);
  const kg = 1 - kr - kb;
  const full = range === "pc";
  const bits = (value: number) => Math.round(256 * value);
  const chroma = (value: number) => bits((full ? 1 : 255 / 224) * 2 * value);
  return {
    scale: bits(full ? 1 : 255 / 219),
    black: full ? 0 : 16,
    red: chroma(1 - kr),
    greenByBlue: chroma((kb * (1 - kb)) / kg),
    greenByRed: chroma((kr * (1 - kr)) / kg),
    blue: chroma(1 - kb),
  };
}

/**
 * Scales a frame down by an integer factor, each pixel the mean of its source square, as RGB. Reuses `into` if it is
 * large enough.
 */
export function shrink(
  frame: Frame,
  maxSide: number,
  into?: Uint8Array,
  range: ColourInfo["range"] = "tv",
  matrix?: number,
): Shrunk {
  const { scale, black, red, greenByBlue, greenByRed, blue } = coefficientsOf(
    { range, ...(matrix !== undefined && { matrix }) },
    frame.height,
  );
  const by = divisorOf(frame, maxSide);
  const width = Math.floor(frame.width / by);
  const height = Math.floor(frame.height / by);
  const rgb = into && into.length >= width * height * 3 ? into : new Uint8Array(width * height * 3);
  const coloured = frame.format === "yuv420p";
  const chromaWidth = Math.ceil(frame.width / 2);
  const chromaSize = chromaWidth * Math.ceil(frame.height / 2);
  const u = frame.width * frame.height;
  const v = u + chromaSize;
  const { pixels } = frame;
  let out = 0;
  for (let row = 0; row < height; row++) {
    const chromaRow = ((row * by + (by >> 1)) >> 1) * chromaWidth;
    for (let column = 0; column < width; column++) {
      const luma = meanOf(pixels, row * by * frame.width + column * by, frame.width, by);
      const chroma = chromaRow + ((column * by + (by >> 1)) >> 1);
      const cb = coloured ? (pixels[u + chroma] ?? 128) - 128 : 0;
      const cr = coloured ? (pixels[v + chroma] ?? 128) - 128 : 0;
      const y = scale * (luma - black) + 128;
      rgb[out++] = clamp((y + red * cr) >> 8);
      rgb[out++] = clamp((y - greenByBlue * cb - greenByRed * cr) >> 8);
      rgb[out++] = clamp((y + blue * cb) >> 8);
    }
  }
  return { width, height, rgb };
}

/** Mean of a square of `side` pixels starting at `at`. */
function meanOf(pixels: Uint8Array, at: number, stride: number, side: number): number {
  if (side === 1) return pixels[at] ?? 0;
  let sum = 0;
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) sum += pixels[at + y * stride + x] ?? 0;
  return (sum / (side * side)) | 0;
}

function clamp(value: number): number {
  return Math.min(255, Math.max(0, value));
}

/** Encodes the picture as JPEG, without any metadata of the source. */
export function encode({ width, height, rgb }: Shrunk, quality: number): Promise<Uint8Array> {
  return sharp(rgb.subarray(0, width * height * 3), { raw: { width, height, channels: 3 } })
    .jpeg({ quality, mozjpeg: false })
    .toBuffer();
}
