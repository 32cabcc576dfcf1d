import { readFileSync, writeFileSync } from "node:fs";

/**
 * Writes an MP4 recording anew whose pictures are to be shown turned by a quarter clockwise, as telephones do. Newer
 * versions of ffmpeg have no option for it that older ones know.
 *
 * @param width of the pictures as they are shown
 */
export function turnUpright(lying: string, upright: string, width: number): void {
  const bytes = readFileSync(lying);
  // The matrix stands 40 bytes into the track header (ISO/IEC 14496-12, 8.3.2): 16.16 fixed point, the last column 2.30.
  const matrix = [0, 1, 0, -1, 0, 0, width, 0, 1].map((n, i) => n * (i % 3 === 2 ? 2 ** 30 : 2 ** 16));
  const at = bytes.indexOf("tkhd") + 4 + 40;
  for (const [i, n] of matrix.entries()) bytes.writeInt32BE(n, at + 4 * i);
  writeFileSync(upright, bytes);
}
