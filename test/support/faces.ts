import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";

/** Writes a folder of classes with so many pictures each, no two alike. */
export async function writeFaces(folder: string, classes: readonly string[], each: number): Promise<void> {
  for (const [label, name] of classes.entries()) {
    await mkdir(join(folder, name), { recursive: true });
    for (let i = 0; i < each; i++) {
      const pixels = Uint8Array.from({ length: 256 }, (_, p) => (p * (i + 1) + 100 * label) % 256);
      const picture = sharp(pixels, { raw: { width: 16, height: 16, channels: 1 } });
      await picture.toFile(join(folder, name, `${i}.png`));
    }
  }
}
