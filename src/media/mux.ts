import { spawn } from "node:child_process";
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { subtitleOptions } from "./containers.js";
import { type Ffmpeg, failureOf, type ProcessEnd, withPipes } from "./ffmpeg.js";
import { holdLastPicture } from "./last-picture.js";
import { withRemedy } from "./remedy.js";
import { StderrTail } from "./stderr.js";
import type { Cover, VideoInfo } from "./video-info.js";

export interface MuxJob {
  /** The recording, as an ffmpeg input. */
  readonly url: string;
  readonly video: VideoInfo;
  /** The recording's time that becomes 0 in the output and the subtitles, in ms. */
  readonly startMs: number;
  /** The recording's times at which its last picture starts and, if known, ends, in ms. */
  readonly lastMs: number;
  readonly endMs: number | undefined;
  /** The subtitle file: `.srt` or `.ass`. */
  readonly subtitles: string;
  /** The track's name in players. */
  readonly title: string;
  /** ffmpeg's name of the container. */
  readonly muxer: string;
  /** The file to write, replacing any existing one. */
  readonly path: string;
}

/**
 * Copies a recording without decoding any stream, adding a subtitle track that comes first and is shown by default.
 * Ends ffmpeg if `signal` aborts. Rejects with ffmpeg's message if it fails.
 */
export async function addSubtitles(ffmpeg: Ffmpeg, job: MuxJob, signal: AbortSignal): Promise<void> {
  const covers = coversOf(job);
  try {
    if (covers.length > 0) await run(ffmpeg, extraction(job, covers), signal);
    await run(ffmpeg, argsOf(job, covers), signal);
  } finally {
    for (const { file } of covers) await rm(file, { force: true });
  }
  const { path, muxer, video, startMs, lastMs, endMs } = job;
  await holdLastPicture({
    ...{ path, muxer, frameRate: video.frameRate },
    atMs: lastMs - startMs,
    endMs: endMs === undefined ? undefined : endMs - startMs,
  });
}

async function run(ffmpeg: Ffmpeg, args: readonly string[], signal: AbortSignal): Promise<void> {
  const said = new StderrTail();
  const child = withPipes(
    spawn(ffmpeg.path, [...["-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-y"], ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      windowsHide: true,
    }),
  );
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  createInterface(child.stderr).on("line", (line) => said.add(line));
  try {
    const [code, endedBy] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    const end: ProcessEnd = endedBy ?? code;
    const reason = said.reason("first");
    if (end !== 0 || said.writeFailed) throw new Error(failureOf(end, reason && withRemedy(reason, "")));
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

/** A cover picture as a file. */
interface CoverFile extends Cover {
  readonly file: string;
  /** Ending of its name, and type of media. */
  readonly ending: string;
  readonly type: string;
}

/** What would become ordinary video tracks in Matroska, which keeps cover pictures as attached files. */
function coversOf({ video: { covers = [] }, muxer, path }: MuxJob): CoverFile[] {
  if (muxer !== "matroska") return [];
  return covers.map(({ index, codec }) => ({
    ...{ index, codec, file: `${path}.cover${index}` },
    ending: codec === "mjpeg" ? "jpg" : codec,
    type: codec === "mjpeg" ? "image/jpeg" : `image/${codec}`,
  }));
}

function extraction({ url }: MuxJob, covers: readonly CoverFile[]): string[] {
  const output = ({ index, file }: CoverFile) => [
    "-map",
    `0:${index}`,
    "-c",
    "copy",
    "-f",
    "image2pipe",
    `file:${file}`,
  ];
  return ["-i", url, ...covers.flatMap(output)];
}

function argsOf(
  { url, video, startMs, subtitles, title, muxer, path }: MuxJob,
  covers: readonly CoverFile[],
): string[] {
  const attach = ({ file, ending, type }: CoverFile, i: number) => {
    const one = `-metadata:s:t:${(video.attachments ?? 0) + i}`;
    return ["-attach", `file:${file}`, one, `mimetype=${type}`, one, `filename=cover.${ending}`];
  };
  return [
    ...["-copyts", "-itsoffset", String(-startMs / 1000), "-i", url],
    // Named, because a file without any subtitles cannot be told from anything else.
    ...["-f", muxer === "matroska" ? "ass" : "srt", "-i", `file:${subtitles}`],
    ...[
      "-map",
      "0:v",
      ...covers.flatMap(({ index }) => ["-map", `-0:${index}`]),
      "-map",
      "0:a?",
      "-c",
      "copy",
    ],
    ...["-map", "1:s", "-c:s:0", muxer === "matroska" ? "ass" : "mov_text"],
    ...["-metadata:s:s:0", `title=${title}`, "-metadata:s:s:0", `handler_name=${title}`],
    ...["-disposition:s:0", "default"],
    ...subtitleOptions(muxer, video.subtitles, 0, 1),
    ...(muxer === "matroska" ? ["-map", "0:t?", ...covers.flatMap(attach)] : ["-movflags", "+faststart"]),
    ...["-max_muxing_queue_size", "9999", "-f", muxer, `file:${path}`],
  ];
}
