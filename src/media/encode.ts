import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Writable } from "node:stream";
import { subtitleOptions } from "./containers.js";
import type { VideoEncoder } from "./encoders.js";
import { type Ffmpeg, failureOf, type ProcessEnd, withPipes } from "./ffmpeg.js";
import { holdLastPicture, USUAL_FPS } from "./last-picture.js";
import { rawFrameHead, rawHead, TICKS_PER_MS } from "./matroska.js";
import { withRemedy } from "./remedy.js";
import { StderrTail } from "./stderr.js";
import type { RecordingRef, VideoInfo } from "./video-info.js";

export interface EncodeJob {
  readonly width: number;
  readonly height: number;
  readonly video: VideoInfo;
  readonly encoder: VideoEncoder;
  /** ffmpeg's name of the container. */
  readonly muxer: string;
  /** The file to write, replacing any existing one. */
  readonly path: string;
  /** Where sound, chapters, metadata and subtitles are copied from. */
  readonly recording?: RecordingRef;
  /** Whether attachments are copied too: fonts, but possibly pictures. */
  readonly attachments: boolean;
  /** The recording's time that becomes 0 in the output, in ms. */
  readonly startMs: number;
}

/**
 * An ffmpeg process that encodes frames with their own times, and copies the rest of the recording alongside. It has
 * its own process group, so that a terminal's Ctrl-C does not end it before it has everything.
 */
export class Encoding {
  /** Frames written to ffmpeg. */
  frames = 0;
  readonly #job: EncodeJob;
  readonly #child: ChildProcess;
  readonly #stdin: Writable;
  readonly #said = new StderrTail();
  readonly #exit: Promise<ProcessEnd>;
  #encoded = 0;
  #lastTicks = Number.NEGATIVE_INFINITY;
  #broken = false;

  constructor(ffmpeg: Ffmpeg, job: EncodeJob) {
    this.#job = job;
    const child = withPipes(
      spawn(ffmpeg.path, argsOf(job, ffmpeg), {
        stdio: ["pipe", "pipe", "pipe"],
        windowsHide: true,
        detached: process.platform !== "win32",
      }),
    );
    this.#child = child;
    this.#stdin = child.stdin;
    child.stdin.on("error", () => {
      this.#broken = true; // the reason is on its stderr
    });
    createInterface(child.stderr).on("line", (line) => this.#said.add(line));
    createInterface(child.stdout).on("line", (line) => {
      if (line.startsWith("frame=")) this.#encoded = Number(line.slice("frame=".length));
    });
    this.#exit = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve(signal ?? code));
      child.once("error", (error) => {
        this.#said.add(error.message);
        resolve(null);
      });
    });
    this.#stdin.write(rawHead(job.width, job.height, job.video));
  }

  /**
   * Writes one frame, whose pixels may be overwritten afterwards. Rejects with ffmpeg's message if it has ended.
   *
   * @param pixels `yuv420p` in the job's size
   * @param mediaTimeMs the recording's time; if not later than the last one, it is moved behind that
   */
  async write(pixels: Uint8Array, mediaTimeMs: number): Promise<void> {
    const least = this.#lastTicks + this.#step;
    const ticks = Math.max(0, Math.round((mediaTimeMs - this.#job.startMs) * TICKS_PER_MS), least);
    this.#lastTicks = ticks;
    this.#stdin.cork();
    this.#stdin.write(rawFrameHead(ticks, pixels.length));
    const handed = new Promise<void>((resolve) => this.#stdin.write(pixels, () => resolve()));
    this.#stdin.uncork();
    await handed;
    if (this.#broken) await this.#fail();
    this.frames++;
  }

  /**
   * Ends the input and waits until everything is encoded and written. Rejects if it is not.
   *
   * @param endMs the recording's time until which its last picture is shown, if known
   */
  async end(endMs?: number): Promise<void> {
    this.#stdin.end();
    const code = await this.#exit;
    if (code !== 0 || this.#broken || this.#said.writeFailed) await this.#fail();
    if (this.#encoded !== this.frames)
      throw new Error(
        `${this.#encoded} of ${this.frames} frames were encoded; ${this.#said.reason("first")}`,
      );
    const { muxer, path, video, startMs } = this.#job;
    await holdLastPicture({
      ...{ path, muxer, frameRate: video.frameRate },
      atMs: this.#lastTicks / TICKS_PER_MS,
      endMs: endMs === undefined ? undefined : endMs - startMs,
    });
  }

  /**
   * Ends early with a playable file: nothing more of the recording is copied. On Windows all of it is, because a signal
   * there would end ffmpeg before it has written where the frames are.
   */
  async stop(): Promise<void> {
    if (this.#job.recording && process.platform !== "win32") this.#child.kill("SIGINT");
    this.#stdin.end();
    await this.#exit;
  }

  /** Ends it at once; the file is left as it is. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }

  /** The smallest time step that the container can represent. */
  get #step(): number {
    const { num, den } = encoderBase(this.#job);
    return Math.ceil((1000 * TICKS_PER_MS * num) / den);
  }

  async #fail(): Promise<never> {
    const end = await this.#exit;
    const said = this.#said.reason("first");
    throw new Error(failureOf(end, said && withRemedy(said, "")));
  }
}

// A unit finer than the pipe's own would promise too much.
function encoderBase({ video: { timeBase } }: EncodeJob): { num: number; den: number } {
  return timeBase.den / timeBase.num > 1000 * TICKS_PER_MS ? { num: 1, den: 1000 * TICKS_PER_MS } : timeBase;
}

function argsOf(job: EncodeJob, ffmpeg: Ffmpeg): string[] {
  const { encoder, recording, muxer, path, width, height, video, startMs } = job;
  const { num, den } = encoderBase(job);
  const even = width % 2 === 0 && height % 2 === 0 ? [] : ["pad=ceil(iw/2)*2:ceil(ih/2)*2"];
  const filters = [...even, ...encoder.filters];
  return [
    ...["-hide_banner", "-nostats", "-loglevel", "warning", "-progress", "pipe:1", "-y", ...encoder.device],
    // Keep our times: ffmpeg would make the first frame the start.
    ...["-copyts", "-f", "matroska", "-i", "pipe:0"],
    ...(recording ? inputOf(recording, startMs) : []),
    ...["-map", "0:v", ...(recording ? copied(job, recording) : [])],
    ...(filters.length > 0 ? ["-vf", filters.join(",")] : []),
    ...["-c:v", encoder.name, ...encoder.options, ...rateOptions(encoder, video), ...colourOptions(video)],
    ...(encoder.filters.length > 0 ? [] : ["-pix_fmt", "yuv420p"]),
    ...(ffmpeg.has.fpsMode ? ["-fps_mode", "passthrough"] : ["-vsync", "passthrough"]),
    ...["-enc_time_base", `${num}:${den}`, "-max_muxing_queue_size", "9999"],
    ...(recording?.toMs === undefined
      ? []
      : ["-t", String((video.startMs + recording.toMs - startMs) / 1000)]),
    ...(muxer === "mp4" || muxer === "mov" ? ["-movflags", "+faststart"] : []),
    // Apple's players know H.265 only by this name.
    ...(muxer !== "matroska" && /^(libx265|hevc_)/.test(encoder.name) ? ["-tag:v", "hvc1"] : []),
    ...["-f", muxer, `file:${path}`],
  ];
}

function inputOf({ url, fromMs }: RecordingRef, startMs: number): string[] {
  return [
    ...["-itsoffset", String(-startMs / 1000)],
    ...(fromMs === undefined ? [] : ["-ss", String(fromMs / 1000)]),
    ...["-i", url],
  ];
}

/** Everything except the video. Only Matroska can hold attachments. */
function copied({ muxer, video, attachments }: EncodeJob, { fromMs }: RecordingRef): string[] {
  return [
    ...["-map", "1:a?", "-c:a", "copy"],
    ...subtitleOptions(muxer, video.subtitles, 1),
    ...(attachments && muxer === "matroska" ? ["-map", "1:t?", "-c:t", "copy"] : []),
    ...(fromMs === undefined ? [] : ["-copypriorss", "0"]), // do not start at the keyframe before it
    ...["-map_metadata", "1", "-map_chapters", "1"],
  ];
}

/**
 * The 2018 ffmpeg passes the time base to these encoders instead, and they then claim a level that no player supports.
 */
function rateOptions({ name }: VideoEncoder, { frameRate: { num, den } = USUAL_FPS }: VideoInfo): string[] {
  const [, number] = /^libx(264|265)$/.exec(name) ?? [];
  return number ? [`-x${number}-params`, `fps=${num}/${den}`] : [];
}

function colourOptions({ colour: { range, matrix, primaries, transfer } }: VideoInfo): string[] {
  return [
    ...["-color_range", range],
    ...(matrix === undefined ? [] : ["-colorspace", String(matrix)]),
    ...(primaries === undefined ? [] : ["-color_primaries", String(primaries)]),
    ...(transfer === undefined ? [] : ["-color_trc", String(transfer)]),
  ];
}
