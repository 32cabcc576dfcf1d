import { randomBytes } from "node:crypto";
import { Observable } from "rxjs";
import { cores } from "../cores.js";
import { messageOf, SourceError } from "../errors.js";
import { plural } from "../text.js";
import { MOST_TIMER_MS } from "../timer.js";
import { type MediaClock, recordingClock } from "./clock.js";
import {
  endProcess,
  type Ffmpeg,
  type FfmpegProcess,
  failureOf,
  findFfmpeg,
  type ProcessEnd,
  spawnFfmpeg,
} from "./ffmpeg.js";
import { Frame, frameBytes, type PixelFormat } from "./frame.js";
import { BytePipe } from "./pipe.js";
import type { FramePool } from "./pool.js";
import { withRemedy } from "./remedy.js";
import { type FrameNote, StderrReader } from "./stderr.js";
import type { VideoInfo } from "./video-info.js";

/** What to decode. */
export interface DecodeInput {
  /** Options before `-i`; a function is asked each time that it is opened. */
  readonly before: readonly string[] | ((ffmpeg: Ffmpeg) => Promise<readonly string[]>);
  readonly url: string;
  /** Its name in messages (without password). */
  readonly name: string;
  /** Whether to read our own standard input. */
  readonly stdin?: boolean;
  /** Whether it is live: never waited for, so frames without a slot are dropped. */
  readonly live: boolean;
  /** A live input without a frame for this long has failed, in ms. */
  readonly stallMs?: number;
  /** The same for its first frame, in ms. */
  readonly openMs?: number;
  /**
   * How long a network input may be silent before ffmpeg itself gives up, some time later, in ms. Without it, ffmpeg
   * would outlive us if we are killed while a camera is silent.
   */
  readonly socketTimeoutMs?: number;
  /** Frames outside of it are passed over, in ms from the start time in the container. */
  readonly range?: { readonly fromMs: number; readonly toMs: number };
  /** Media time at which it ends, from the length and the start time in the container. Default: the length. */
  readonly endsAtMs?: (lengthMs: number, startMs: number) => number | undefined;
  /** Called before the first frame if it does not say how long it is, as a live stream does not. */
  readonly onUnknownLength?: () => void;
  /** Media time of a frame. Default: as in a recording. */
  readonly clock?: MediaClock;
}

/** Where frames go. */
export interface DecodeContext {
  readonly id: string;
  readonly pool: FramePool;
  readonly format: PixelFormat;
  readonly stop: AbortSignal;
  readonly source: {
    state: "opening" | "running" | "reconnecting" | "ended";
    decoded: number;
    dropped: number;
    firstTimeMs?: number;
    mediaTimeMs: number;
    durationMs?: number;
    width?: number;
    height?: number;
    video?: VideoInfo;
  };
  readonly log: { warn(message: string): void };
  ready(): Promise<void> | undefined;
  defer(close: () => void | Promise<void>): void;
}

/**
 * Decodes an input through ffmpeg into frames, in order. Cold. Completes at the end of the input or after
 * `context.stop`; unsubscribing kills ffmpeg. Errors with `SourceError` if ffmpeg fails or yields no frame at all.
 */
export function decode(input: DecodeInput, context: DecodeContext): Observable<Frame> {
  return frames(() => open(input, context), context);
}

/**
 * The same, but started at once, for a single subscription: ffmpeg starts while the consumer of the frames is being
 * prepared, and waits with the first ones. For recordings: a camera's frames would be stale by then.
 */
export function decodeAhead(input: Promise<DecodeInput>, context: DecodeContext): Observable<Frame> {
  const opening = input.then((known) => open(known, context));
  // An error goes to the subscriber; without one, the run has failed for another reason.
  const opened = opening.catch(() => undefined);
  context.defer(async () => (await opened)?.session.close());
  return frames(() => opening, context);
}

interface Opened {
  readonly ffmpeg: Ffmpeg;
  readonly session: Session;
}

async function open(input: DecodeInput, context: DecodeContext): Promise<Opened> {
  const ffmpeg = await findFfmpeg();
  const before = typeof input.before === "function" ? await input.before(ffmpeg) : input.before;
  let pictures: BytePipe | undefined;
  try {
    pictures = await BytePipe.open();
    const child = spawnFfmpeg(ffmpeg, argsOf(input, before, context, ffmpeg), pictures, input.stdin);
    return { ffmpeg, session: new Session(input, context, child, pictures) };
  } catch (cause) {
    pictures?.close();
    throw new SourceError("FFMPEG_START", `source ${context.id}: ${input.name}: ${messageOf(cause)}`, {
      cause,
    });
  }
}

function frames(opening: () => Promise<Opened>, context: DecodeContext): Observable<Frame> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    const running = deliver(opening(), context, abort.signal, (frame) => {
      if (subscriber.closed) frame.release();
      else subscriber.next(frame);
    }).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    context.defer(() => running);
    return () => abort.abort();
  });
}

async function deliver(
  opening: Promise<Opened>,
  context: DecodeContext,
  signal: AbortSignal,
  emit: (frame: Frame) => void,
): Promise<void> {
  const { ffmpeg, session } = await opening;
  const end = () => session.end();
  signal.addEventListener("abort", end, { once: true });
  context.stop.addEventListener("abort", end, { once: true });
  try {
    if (!signal.aborted && !context.stop.aborted) await session.deliver(ffmpeg, signal, emit);
  } finally {
    signal.removeEventListener("abort", end);
    context.stop.removeEventListener("abort", end);
    await session.close();
  }
}

// 8-bit formats whose first plane is luma are used as they are; everything else is converted first.
const LUMA_FORMATS = "yuv420p|yuvj420p|yuv422p|yuvj422p|yuv444p|yuvj444p|gray";

/** ffmpeg advises against more. */
const MOST_DECODER_THREADS = 16;

/**
 * With one thread less than there are cores, a recording waits for ffmpeg (docs/decisions.md). Threads that each decode
 * a frame of their own would hold a camera's frames back until later ones arrive.
 */
function decoderThreads(live: boolean): string[] {
  const threads = Math.min(live ? Math.ceil(cores() / 2) : cores(), MOST_DECODER_THREADS);
  return ["-threads", String(threads), ...(live ? ["-thread_type", "slice"] : [])];
}

/** The filter that reports each frame, under a name that no recording can know. */
const SHOWINFO = `showinfo@${randomBytes(8).toString("hex")}`;

function argsOf(
  input: DecodeInput,
  before: readonly string[],
  context: DecodeContext,
  ffmpeg: Ffmpeg,
): string[] {
  const convert =
    context.format === "gray" ? [`format=${LUMA_FORMATS}`, "extractplanes=y"] : ["format=yuv420p|yuvj420p"];
  return [
    ...["-hide_banner", "-nostdin", "-nostats", "-loglevel", "info"],
    ...decoderThreads(input.live),
    ...before,
    ...socketTimeout(input.socketTimeoutMs, ffmpeg),
    ...["-i", input.url, "-map", "0:V:0", "-an", "-sn", "-dn"],
    ...["-vf", [...convert, `${SHOWINFO}=checksum=0`].join(",")],
    // One output frame per input frame, each in its own size.
    ...(ffmpeg.has.fpsMode ? ["-fps_mode", "passthrough"] : ["-vsync", "passthrough"]),
    ...(ffmpeg.has.autoscale ? ["-noautoscale"] : []),
    // One thread to copy frames: since FFmpeg 5 there are several, which take more CPU time and delay a camera by a frame.
    // Each frame is one write, instead of being copied in pieces once more.
    ...["-threads", "1", "-avioflags", "direct", "-f", "rawvideo", "pipe:1"],
  ];
}

function socketTimeout(ms: number | undefined, ffmpeg: Ffmpeg): string[] {
  if (ms === undefined) return [];
  const [option, most] = ffmpeg.has.timeout
    ? ["-timeout", Number.MAX_SAFE_INTEGER]
    : ["-stimeout", 2 ** 31 - 1];
  return [option, String(Math.min(Math.round(ms * 1000), most))]; // in microseconds
}

/** An ffmpeg process and what it reports. */
class Session {
  readonly #input: DecodeInput;
  readonly #context: DecodeContext;
  readonly #child: FfmpegProcess;
  readonly #stderr: StderrReader;
  readonly #bytes: BytePipe;
  readonly #notes: FrameNote[] = [];
  readonly #exit: Promise<ProcessEnd>;
  readonly #clock: MediaClock;
  #spawnError: Error | undefined;
  #told = false;
  #wake: (() => void) | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #stalledAfterMs = 0;
  #ending = false;

  constructor(input: DecodeInput, context: DecodeContext, child: FfmpegProcess, pictures: BytePipe) {
    this.#input = input;
    this.#context = context;
    this.#child = child;
    this.#clock = input.clock ?? recordingClock();
    this.#stderr = new StderrReader(SHOWINFO, (note) => {
      this.#notes.push(note);
      this.#notify();
    });
    this.#bytes = pictures;
    child.stderr.setEncoding("utf8");
    child.stderr.on("data", (text: string) => this.#stderr.push(text));
    child.stderr.once("close", () => {
      this.#told = true;
      this.#notify();
    });
    this.#exit = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve(signal ?? code));
      child.once("error", (error) => {
        this.#spawnError = error;
        this.#told = true;
        this.#notify();
        resolve(null);
      });
    });
    this.#watch(input.openMs);
  }

  /** Stops reading: the current read is finished or abandoned, and `deliver` returns. */
  end(): void {
    this.#ending = true;
    this.#notify();
    // ffmpeg may ignore a polite request for as long as its own input is silent, in the middle of a frame.
    void endProcess(this.#child);
  }

  async close(): Promise<void> {
    clearTimeout(this.#watchdog);
    this.#bytes.close();
    await endProcess(this.#child);
  }

  async deliver(ffmpeg: Ffmpeg, signal: AbortSignal, emit: (frame: Frame) => void): Promise<void> {
    const { source } = this.#context;
    const before = source.decoded;
    for (let note = await this.#note(); note; note = await this.#note()) {
      const size = this.#sizeOf(note, ffmpeg);
      if (source.decoded === before) this.#opened(note, size);
      if (!(await this.#frame(note, size, signal, emit))) break;
    }
    if (this.#ending) return;
    clearTimeout(this.#watchdog);
    this.#judge(await this.#exit, source.decoded - before);
  }

  /** The next frame's note, or undefined at the end. */
  async #note(): Promise<FrameNote | undefined> {
    while (!this.#ending && this.#notes.length === 0 && !this.#told)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    return this.#ending ? undefined : this.#notes.shift();
  }

  // Builds without `-autoscale` scale every frame to the size of the first.
  #sizeOf(note: FrameNote, ffmpeg: Ffmpeg): { width: number; height: number } {
    const { width, height } = this.#context.source;
    if (ffmpeg.has.autoscale || !this.#sized || !width || !height) return note;
    return { width, height };
  }
  #sized = false;

  #opened(note: FrameNote, size: { width: number; height: number }): void {
    const { source, id, log } = this.#context;
    source.state = "running";
    for (const change of this.#stderr.changes)
      log.warn(`source ${id}: ${this.#input.name}: the camera gives ${change}`);
    const video = this.#stderr.videoInfo(note);
    source.video = video;
    // A simulated camera repeats its recording.
    const lengthMs = this.#input.live ? undefined : this.#stderr.durationMs;
    const endMs = lengthMs && (this.#input.endsAtMs ?? ((ms) => ms))(lengthMs, video.startMs);
    if (endMs !== undefined) source.durationMs = endMs;
    if (lengthMs === undefined) this.#input.onUnknownLength?.();
    source.width = size.width;
    source.height = size.height;
    this.#sized = true;
  }

  async #frame(
    note: FrameNote,
    { width, height }: { width: number; height: number },
    signal: AbortSignal,
    emit: (frame: Frame) => void,
  ): Promise<boolean> {
    const { pool, format, source, id } = this.#context;
    const bytes = frameBytes(width, height, format);
    if (!this.#isWithin(note)) return this.#bytes.skip(bytes);
    // A recording waits for busy sinks and for a slot; a camera drops the frame.
    const busy = this.#context.ready();
    if (!this.#input.live) {
      clearTimeout(this.#watchdog);
      await busy;
    }
    const live = () => (busy ? undefined : pool.tryAcquire(bytes));
    const slot = this.#input.live ? live() : await pool.acquire(bytes, signal);
    this.#watch(this.#input.stallMs);
    const mediaTimeMs = this.#mediaTime(note);
    source.firstTimeMs ??= mediaTimeMs;
    if (!slot) {
      if (signal.aborted || !(await this.#bytes.skip(bytes))) return false;
      source.decoded++;
      source.dropped++;
      source.mediaTimeMs = mediaTimeMs;
      return true;
    }
    if (!(await this.#bytes.read(slot.data.subarray(0, bytes)))) {
      pool.release(slot);
      return false;
    }
    source.width = width;
    source.height = height;
    source.mediaTimeMs = mediaTimeMs;
    const sequence = source.decoded++;
    const wallTimeMs = Date.now();
    emit(new Frame({ source: id, sequence, mediaTimeMs, wallTimeMs, width, height, format }, slot, pool));
    return !this.#ending;
  }

  #isWithin({ ptsMs }: FrameNote): boolean {
    const { range } = this.#input;
    const { video, firstTimeMs } = this.#context.source;
    if (!range || !video) return true;
    const atMs = ptsMs - video.startMs + 0.5; // times that should be equal differ by rounding
    const begun = firstTimeMs !== undefined; // later times may step back
    return (begun || !(atMs < range.fromMs)) && !(atMs >= range.toMs);
  }

  #mediaTime({ ptsMs }: FrameNote): number {
    // A frame without a time gets that of the frame before it.
    if (Number.isNaN(ptsMs)) return this.#context.source.mediaTimeMs;
    return this.#clock(ptsMs);
  }

  #watch(limitMs: number | undefined): void {
    clearTimeout(this.#watchdog);
    if (limitMs === undefined) return;
    this.#watchdog = setTimeout(
      () => {
        this.#stalledAfterMs = limitMs;
        this.#child.kill("SIGKILL");
      },
      Math.min(limitMs, MOST_TIMER_MS),
    );
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** Throws if something went wrong. */
  #judge(end: ProcessEnd, frames: number): void {
    const { name, live, range } = this.#input;
    const who = `source ${this.#context.id}: ${name}`;
    if (this.#spawnError)
      throw new SourceError("FFMPEG_START", `${who}: ffmpeg did not start: ${messageOf(this.#spawnError)}`);
    const said = this.#stderr.reason;
    const reason = said && withRemedy(said, name);
    if (this.#stalledAfterMs)
      throw new SourceError(
        "SOURCE_STALLED",
        `${who}: ${frames === 0 ? "no frame" : "no new frame"} for ${this.#stalledAfterMs / 1000} s`,
      );
    if (end !== 0)
      throw new SourceError(
        frames === 0 ? "SOURCE_OPEN" : "SOURCE_FAILED",
        `${who}: ${frames === 0 ? "cannot be played" : `failed after ${plural(frames, "frame")}`}: ${failureOf(end, reason)}`,
      );
    if (frames === 0 && range)
      throw new SourceError(
        "SOURCE_EMPTY",
        `${who}: no video in this part of it; check \`from\` and \`to\` against its length`,
      );
    if (frames === 0 && !live)
      throw new SourceError(
        "SOURCE_EMPTY",
        `${who}: no video in it${reason ? `: ${reason}` : "; give a file with a video stream"}`,
      );
    const { damage } = this.#stderr;
    if (damage === undefined || live) return;
    const { source, log } = this.#context;
    if (source.durationMs !== undefined) source.durationMs = source.mediaTimeMs; // its end is not what it says
    log.warn(
      `${who}: damaged or truncated; ${plural(frames, "frame")} read, the last at ${(source.mediaTimeMs / 1000).toFixed(3)} s: ${damage}`,
    );
  }
}
