import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import sharp from "sharp";

/**
 * Writes the glyphs that `annotate` draws with: DejaVu Sans Bold, so that text looks the same on machines without
 * fonts. Needed only when the character set or the font changes; the font must be installed (fonts-dejavu-core):
 *   npx tsx scripts/font-atlas.ts /usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf
 */
const EM = 48; // pixels
const PAD = 8; // room for parts that extend beyond the advance
const target = fileURLToPath(new URL("../src/operators/annotate/glyphs.ts", import.meta.url));
const [file = ""] = process.argv.slice(2);
const font = new DataView((await readFile(file)).buffer.slice(0));
const tables = new Map<string, number>();
for (let i = 0; i < font.getUint16(4); i++) {
  const at = 12 + 16 * i;
  const tag = String.fromCharCode(...[0, 1, 2, 3].map((k) => font.getUint8(at + k)));
  tables.set(tag, font.getUint32(at + 8));
}
const table = (tag: string) => tables.get(tag) ?? 0;
const unitsPerEm = font.getUint16(table("head") + 18);
const ascent = Math.ceil((font.getInt16(table("hhea") + 4) * EM) / unitsPerEm);
const descent = Math.ceil((-font.getInt16(table("hhea") + 6) * EM) / unitsPerEm);
const height = ascent + descent;

/** Glyph index of a character, from the `cmap` subtable of format 4. */
function glyphOf(code: number): number {
  const cmap = table("cmap");
  for (let i = 0; i < font.getUint16(cmap + 2); i++) {
    const at = cmap + font.getUint32(cmap + 4 + 8 * i + 4);
    if (font.getUint16(at) !== 4) continue;
    const twice = font.getUint16(at + 6);
    for (let k = 0; k < twice; k += 2) {
      const end = font.getUint16(at + 14 + k);
      const start = font.getUint16(at + 16 + twice + k);
      if (code > end || code < start) continue;
      const delta = font.getInt16(at + 16 + 2 * twice + k);
      const place = at + 16 + 3 * twice + k;
      const range = font.getUint16(place);
      if (range === 0) return (code + delta) & 0xffff;
      const glyph = font.getUint16(place + range + 2 * (code - start));
      return glyph === 0 ? 0 : (glyph + delta) & 0xffff;
    }
  }
  return 0;
}

function advanceOf(code: number): number {
  const last = font.getUint16(table("hhea") + 34) - 1;
  const units = font.getUint16(table("hmtx") + 4 * Math.min(glyphOf(code), last));
  return (units * EM) / unitsPerEm;
}

async function coverage(character: string, width: number): Promise<Buffer> {
  const escaped = character.replace(/[&<>]/g, (c) => `&#${c.codePointAt(0)};`);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#000"/><text xml:space="preserve" x="${PAD}" y="${ascent}" font-family="DejaVu Sans" font-weight="bold" font-size="${EM}" fill="#fff">${escaped}</text></svg>`;
  return sharp(Buffer.from(svg)).extractChannel(0).raw().toBuffer();
}

// ASCII, Latin-1 and Latin Extended-A: names of expressions in most languages written in Latin letters.
const codes = [
  ...Array.from({ length: 0x5f }, (_, i) => 0x20 + i),
  ...Array.from({ length: 0xe0 }, (_, i) => 0xa0 + i),
];
const characters: string[] = [];
const advances: number[] = [];
const widths: number[] = [];
const nibbles: number[] = [];
for (const code of codes) {
  const character = String.fromCodePoint(code);
  const advance = advanceOf(code);
  const width = Math.ceil(advance) + 2 * PAD;
  const pixels = await coverage(character, width);
  characters.push(character);
  advances.push(Math.round(advance * 100) / 100);
  widths.push(width);
  for (const value of pixels) nibbles.push(Math.round(value / 17));
}
const packed = Buffer.alloc(Math.ceil(nibbles.length / 2));
for (const [i, nibble] of nibbles.entries())
  packed[i >> 1] = (packed[i >> 1] ?? 0) | (i % 2 === 0 ? nibble << 4 : nibble);
const text = `// Written by scripts/font-atlas.ts from DejaVu Sans Bold (see NOTICE); do not edit.

/** Coverage of each character, 0 to 15, two pixels per byte, deflated; each \`width\` by \`height\`. */
export const GLYPHS = {
  em: ${EM},
  pad: ${PAD},
  height: ${height},
  characters: ${JSON.stringify(characters.join(""))},
  advances: ${JSON.stringify(advances)},
  widths: ${JSON.stringify(widths)},
  pixels:
    "${deflateRawSync(packed, { level: 9 }).toString("base64")}",
};
`;
await writeFile(target, text);
console.log(`${characters.length} characters, ${Math.round(text.length / 1024)} kB`);
