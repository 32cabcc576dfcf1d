import { execFileSync, spawnSync } from "node:child_process";
import { findFfmpeg } from "#src/media/ffmpeg.js";

/** Whether ffprobe is there: tests that compare recordings skip without it. */
export const hasFfprobe = spawnSync("ffprobe", ["-version"]).status === 0;

interface Stream {
  index: number;
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

/** Of packets and frames only what is compared: a recording has thousands. */
const ENTRIES =
  "packet=stream_index,pts_time,data_hash:frame=stream_index,best_effort_timestamp_time:frame_side_data=:frame_tags=";

/** What ffprobe writes. */
interface Said {
  streams: Stream[];
  format: { duration: string; tags?: Record<string, string> };
  chapters: { start_time: string; end_time: string; tags?: { title?: string } }[];
  packets_and_frames: {
    type: "packet" | "frame" | "subtitle";
    stream_index: number;
    pts_time?: string;
    data_hash?: string;
    best_effort_timestamp_time?: string;
  }[];
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
  const args = ["-show_streams", "-show_format", "-show_chapters", "-show_frames", "-show_packets"];
  const said = execFileSync(
    "ffprobe",
    [
      ...["-v", "error", "-of", "json", ...args, "-show_data_hash", "md5"],
      ...["-show_entries", ENTRIES],
      path,
    ],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  const { streams, format, chapters, packets_and_frames: parts } = JSON.parse(said) as Said;
  const of = (type: string) => new Set(streams.filter((s) => s.codec_type === type).map((s) => s.index));
  const [pictures] = of("video");
  const sounds = of("audio");
  const video = streams.find(({ codec_type }) => codec_type === "video");
  if (!video) throw new Error(`${path} has no pictures`);
  return {
    video,
    streams,
    times: parts
      .filter((part) => part.type === "frame" && part.stream_index === pictures)
      .map((frame) => frame.best_effort_timestamp_time ?? ""),
    sound: parts
      .filter((part) => part.type === "packet" && sounds.has(part.stream_index))
      .map(({ pts_time, data_hash }) => `${pts_time} ${data_hash}`),
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
