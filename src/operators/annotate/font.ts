import { inflateRawSync } from "node:zlib";
import { GLYPHS } from "./glyphs.js";

/** A character as pixels. */
export interface Glyph {
  readonly width: number;
  readonly height: number;
  /** Offset of its left edge from the pen, in pixels. */
  readonly left: number;
  /** How far the pen advances, in pixels. */
  readonly advance: number;
  /** Row by row, 0 (not covered) to 255 (fully covered). */
  readonly coverage: Uint8Array;
}

/** The characters that ship with the package, at one size. Each is rendered when it is first drawn. */
export class Font {
  /** Height of a line in pixels. */
  readonly height: number;
  readonly #scale: number;
  readonly #glyphs = new Map<string, Glyph>();

  /** @param size of the em square in pixels, limited to that of the atlas */
  constructor(size: number) {
    this.#scale = Math.min(size, GLYPHS.em) / GLYPHS.em;
    this.height = Math.ceil(GLYPHS.height * this.#scale);
  }

  /** A character that is not in the font is shown as `?`. */
  glyph(character: string): Glyph {
    let glyph = this.#glyphs.get(character);
    if (!glyph) {
      glyph = this.#make(character);
      this.#glyphs.set(character, glyph);
    }
    return glyph;
  }

  /** Width of a text in pixels. */
  width(text: string): number {
    let sum = 0;
    for (const character of text) sum += this.glyph(character).advance;
    return sum;
  }

  #make(character: string): Glyph {
    const known = GLYPHS.characters.indexOf(character);
    const index = known >= 0 ? known : GLYPHS.characters.indexOf("?");
    const from = { pixels: atlas(), at: starts()[index] ?? 0, width: GLYPHS.widths[index] ?? 0 };
    const width = Math.ceil(from.width * this.#scale);
    return {
      width,
      height: this.height,
      left: -Math.round(GLYPHS.pad * this.#scale),
      advance: Math.round((GLYPHS.advances[index] ?? 0) * this.#scale),
      coverage: shrink(from, width, this.height, this.#scale),
    };
  }
}

let unpacked: Uint8Array | undefined;

/** All glyphs one after another, 0 to 15 per pixel. */
function atlas(): Uint8Array {
  if (unpacked) return unpacked;
  const packed = inflateRawSync(Buffer.from(GLYPHS.pixels, "base64"));
  unpacked = new Uint8Array(packed.length * 2);
  for (let i = 0; i < unpacked.length; i++)
    unpacked[i] = ((packed[i >> 1] ?? 0) >> (i % 2 === 0 ? 4 : 0)) & 15;
  return unpacked;
}

let offsets: number[] | undefined;

/** Where each glyph starts in the atlas. */
function starts(): readonly number[] {
  if (offsets) return offsets;
  let at = 0;
  offsets = GLYPHS.widths.map((width) => {
    const start = at;
    at += width * GLYPHS.height;
    return start;
  });
  return offsets;
}

/** Scales a glyph down: each pixel is the mean of the area it covers. */
function shrink(
  from: { pixels: Uint8Array; at: number; width: number },
  width: number,
  height: number,
  scale: number,
): Uint8Array {
  const coverage = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (let v = Math.floor(y / scale); v < Math.min((y + 1) / scale, GLYPHS.height); v++) {
        const rows = Math.min(v + 1, (y + 1) / scale) - Math.max(v, y / scale);
        for (let u = Math.floor(x / scale); u < Math.min((x + 1) / scale, from.width); u++) {
          const columns = Math.min(u + 1, (x + 1) / scale) - Math.max(u, x / scale);
          sum += (from.pixels[from.at + v * from.width + u] ?? 0) * rows * columns;
        }
      }
      coverage[y * width + x] = Math.min(255, Math.round(sum * scale * scale * 17));
    }
  return coverage;
}
