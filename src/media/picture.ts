import { messageOf } from "../errors.js";
import type { PixelFormat } from "./frame.js";

/** A decoded picture: `width * height` pixels of three bytes (red, green, blue), row by row. */
export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/**
 * Decodes a JPEG, PNG, WebP, AVIF, TIFF, GIF (its first picture) or SVG file, rotated upright according to EXIF, with
 * transparent parts on white. Rejects with the decoder's error, also for a truncated file: see `whyUnreadable`.
 */
export async function readPicture(path: string): Promise<RgbPicture> {
  const { default: sharp } = await import("sharp"); // libvips is large, and most runs have no picture files
  const { data, info } = await sharp(path, { failOn: "error" })
    .autoOrient()
    .flatten({ background: "#fff" })
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, rgb: data };
}

/**
 * Why sharp could not read a picture. What its decoders say is left out: libvips collects that over all threads, so it
 * may be empty or about another file.
 */
export function whyUnreadable(error: unknown): string {
  const message = messageOf(error);
  if (/unsupported image format/.test(message)) return "not in a picture format that can be read";
  return /^Input (file is missing|image exceeds pixel limit)/.test(message)
    ? message
    : "it cannot be decoded";
}

/**
 * Writes a picture the way JPEG files store it: BT.601, full range. `target` must have at least the length that
 * `frameBytes` returns.
 */
export function writePlanes(picture: RgbPicture, format: PixelFormat, target: Uint8Array): void {
  writeLuma(picture, target);
  if (format === "yuv420p") writeChroma(picture, target.subarray(picture.width * picture.height));
}

/** The luma of OpenCV's `COLOR_RGB2GRAY`, bit for bit. */
function writeLuma({ rgb, width, height }: RgbPicture, target: Uint8Array): void {
  for (let i = 0, at = 0; i < width * height; i++, at += 3)
    target[i] =
      ((rgb[at] ?? 0) * 9798 + (rgb[at + 1] ?? 0) * 19235 + (rgb[at + 2] ?? 0) * 3735 + (1 << 14)) >> 15;
}

/** Each chroma pixel has the mean colour of the four pixels it stands for; these repeat at an odd edge. */
function writeChroma({ rgb, width, height }: RgbPicture, target: Uint8Array): void {
  const across = Math.ceil(width / 2);
  const down = Math.ceil(height / 2);
  const planes = across * down;
  for (let y = 0; y < down; y++) {
    const top = 2 * y * width;
    const bottom = Math.min(2 * y + 1, height - 1) * width;
    for (let x = 0; x < across; x++) {
      const left = 2 * x;
      const right = Math.min(left + 1, width - 1);
      const a = 3 * (top + left);
      const b = 3 * (top + right);
      const c = 3 * (bottom + left);
      const d = 3 * (bottom + right);
      const red = at(rgb, a) + at(rgb, b) + at(rgb, c) + at(rgb, d);
      const green = at(rgb, a + 1) + at(rgb, b + 1) + at(rgb, c + 1) + at(rgb, d + 1);
      const blue = at(rgb, a + 2) + at(rgb, b + 2) + at(rgb, c + 2) + at(rgb, d + 2);
      const i = y * across + x;
      target[i] = Math.min(255, 128.5 + (-0.168736 * red - 0.331264 * green + 0.5 * blue) / 4);
      target[planes + i] = Math.min(255, 128.5 + (0.5 * red - 0.418688 * green - 0.081312 * blue) / 4);
    }
  }
}

function at(bytes: Uint8Array, index: number): number {
  return bytes[index] ?? 0;
}
