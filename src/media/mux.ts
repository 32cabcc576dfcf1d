import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { subtitleOptions } from "./containers.js";
import { type Ffmpeg, failureOf, type ProcessEnd, withPipes } from "./ffmpeg.js";
import { holdLastPicture } from "./last-picture.js";
import { withRemedy } from "./remedy.js";
import { StderrTail } from "./stderr.js";
import type { VideoInfo } from "./video-info.js";

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
  const said = new StderrTail();
  const child = withPipes(
    spawn(ffmpeg.path, argsOf(job), { stdio: ["ignore", "ignore", "pipe"], windowsHide: true }),
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
  const { path, muxer, video, startMs, lastMs, endMs } = job;
  await holdLastPicture({
    ...{ path, muxer, frameRate: video.frameRate },
    atMs: lastMs - startMs,
    endMs: endMs === undefined ? undefined : endMs - startMs,
  });
}

function argsOf({ url, video, startMs, subtitles, title, muxer, path }: MuxJob): string[] {
  return [
    ...["-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-y", "-copyts"],
    ...["-itsoffset", String(-startMs / 1000), "-i", url],
    // Named, because a file without any subtitles cannot be told from anything else.
    ...["-f", muxer === "matroska" ? "ass" : "srt", "-i", `file:${subtitles}`],
    ...["-map", "0:v", "-map", "0:a?", "-c", "copy"],
    ...["-map", "1:s", "-c:s:0", muxer === "matroska" ? "ass" : "mov_text"],
    ...["-metadata:s:s:0", `title=${title}`, "-metadata:s:s:0", `handler_name=${title}`],
    ...["-disposition:s:0", "default"],
    ...subtitleOptions(muxer, video.subtitles, 0, 1),
    ...(muxer === "matroska" ? ["-map", "0:t?"] : ["-movflags", "+faststart"]),
    ...["-max_muxing_queue_size", "9999", "-f", muxer, `file:${path}`],
  ];
}
