import { execFileSync, spawnSync } from "node:child_process";
import { findFfmpeg } from "#src/media/ffmpeg.js";

/** Whether ffprobe is there: tests that compare recordings skip without it. */
export const hasFfprobe = spawnSync("ffprobe", ["-version"]).status === 0;

interface Stream {
  codec_type: string;
  codec_name: string;
  codec_tag_string: string;
  width?: number;
  height?: number;
  pix_fmt?: string;
  r_frame_rate?: string;
  avg_frame_rate?: string;
  nb_frames?: string;
  duration?: string;
  level?: number;
  color_range?: string;
  color_space?: string;
  color_transfer?: string;
  color_primaries?: string;
  sample_aspect_ratio?: string;
  tags?: Record<string, string>;
}

export interface Probed {
  readonly video: Stream;
  readonly streams: readonly Stream[];
  /** Presentation time of every picture, seconds. */
  readonly times: readonly string[];
  /** Time and hash of every packet of sound. */
  readonly sound: readonly string[];
  readonly chapters: readonly string[];
  readonly durationSeconds: number;
  readonly tags: Readonly<Record<string, string>>;
}

/** What ffprobe, which is not ours, says of a recording. */
export function probe(path: string): Probed {
  const ask = <T>(...args: string[]) =>
    JSON.parse(
      execFileSync("ffprobe", ["-v", "error", "-of", "json", ...args, path], {
        encoding: "utf8",
        maxBuffer: 1 << 26,
      }),
    ) as T;
  const { streams, format, chapters } = ask<{
    streams: Stream[];
    format: { duration: string; tags?: Record<string, string> };
    chapters: { start_time: string; end_time: string; tags?: { title?: string } }[];
  }>("-show_streams", "-show_format", "-show_chapters");
  const { frames } = ask<{ frames: Record<string, string>[] }>(
    ...["-select_streams", "v:0", "-show_frames", "-show_entries", "frame=best_effort_timestamp_time"],
  );
  const { packets } = ask<{ packets: { pts_time: string; data_hash: string }[] }>(
    ...["-select_streams", "a", "-show_packets", "-show_data_hash", "md5"],
    ...["-show_entries", "packet=pts_time,data_hash"],
  );
  const video = streams.find(({ codec_type }) => codec_type === "video");
  if (!video) throw new Error(`${path} has no pictures`);
  return {
    video,
    streams,
    times: frames.map((frame) => frame.best_effort_timestamp_time ?? ""),
    sound: packets.map(({ pts_time, data_hash }) => `${pts_time} ${data_hash}`),
    chapters: chapters.map(({ start_time, end_time, tags }) => `${start_time} ${end_time} ${tags?.title}`),
    durationSeconds: Number(format.duration),
    tags: format.tags ?? {},
  };
}

/** Runs ffmpeg to make a recording. */
export async function make(path: string, ...args: string[]): Promise<string> {
  execFileSync((await findFfmpeg()).path, ["-v", "error", "-y", ...args, path]);
  return path;
}

/** One picture of a recording, as `rgb24` pixels. */
export async function pictureAt(path: string, seconds: number): Promise<Buffer> {
  const args = ["-v", "error", "-ss", String(seconds), "-i", path, "-frames:v", "1"];
  return execFileSync((await findFfmpeg()).path, [...args, "-f", "rawvideo", "-pix_fmt", "rgb24", "pipe:1"], {
    maxBuffer: 1 << 26,
  });
}
