import type { PixelFormat } from "../media/frame.js";
import type { FrameMemory, FramePool } from "../media/pool.js";
import type { RecordingRef, VideoInfo } from "../media/video-info.js";
import type { Histogram } from "./histogram.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Log of a run. Fields are for `--json`; the message is complete without them. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export type SourceState = "opening" | "running" | "reconnecting" | "ended";

/** Running figures of one source; the source writes them, the status line reads them. */
export interface SourceStats {
  readonly id: string;
  readonly live: boolean;
  /**
   * Decides whether events of two runs are the same: for a recording its name and size, for a camera the start of the
   * run. Event ids are derived from it. The runtime sets it to the source's id; a source may replace it.
   */
  identity: string;
  state: SourceState;
  /** Frames read, including dropped ones. */
  decoded: number;
  /** Frames dropped because no slot was free. */
  dropped: number;
  reconnects: number;
  /** Media time of the first frame, ms; absent before it. */
  firstTimeMs?: number;
  /** Media time of the newest frame, ms. */
  mediaTimeMs: number;
  /** Media time at which the recording ends, if known and it ends at all, ms. */
  durationMs?: number;
  width?: number;
  height?: number;
  /** Timing, colour and geometry of the video; known from the first frame on. */
  video?: VideoInfo;
  /** The recording, if a single one is played once: where audio and chapters can be read from. */
  recording?: RecordingRef;
  /** How it ended: by itself, by a clean stop, by a failure; absent while running and after an abort. */
  ending?: "end" | "stopped" | "failed";
  /** From the start of the run to the end of the source, s; absent while it runs. */
  seconds?: number;
}

/** The finished part of a recording, 0 to 1; undefined if its end is unknown. */
export function partDone({ firstTimeMs, mediaTimeMs, durationMs }: SourceStats): number | undefined {
  if (durationMs === undefined) return undefined;
  if (firstTimeMs === undefined || durationMs <= firstTimeMs) return 0;
  return Math.min(1, Math.max(0, (mediaTimeMs - firstTimeMs) / (durationMs - firstTimeMs)));
}

/** Running figures of one engine; the operator that owns it writes them. */
export interface EngineStats {
  /** The operator's id. */
  readonly id: string;
  readonly model: string;
  readonly version: string;
  /** The provider actually used, e.g. `onnx cpu`. */
  provider: string;
  batches: number;
  /** Faces in those batches. */
  faces: number;
  /** Time during which a batch was in progress, ms. */
  busyMs: number;
}

/** Running figures of the whole run. */
export interface RunStats {
  readonly sources: readonly SourceStats[];
  /** Detections: a face seen in ten frames counts as ten. */
  faces: number;
  /** Faces followed by `track`; absent without `track`. */
  tracks?: number;
  /** Events made. */
  events: number;
  readonly engines: EngineStats[];
  /** From a frame's arrival to its event, ms; without `left` events, which are late by nature. */
  readonly eventDelayMs: Histogram;
}

/** Passed to every component. */
export interface RunContext {
  /** The component's id in the graph, for messages. */
  readonly id: string;
  readonly pipeline: { readonly name: string; readonly purpose?: string; readonly retention?: string };
  /** Folder of the pipeline file. */
  readonly baseDir: string;
  /** Folder for data that outlives the run, such as unsent events; created by whoever needs it. */
  readonly stateDir: string;
  /** Aborted when everything must end at once (second Ctrl-C, a failure elsewhere). */
  readonly signal: AbortSignal;
  readonly memory: FrameMemory;
  readonly log: Log;
  readonly stats: RunStats;
  /** `Date.now()` at the start of the run. */
  readonly startedAtMs: number;
  /** True if nothing after the component reads pixels: `Frame.withoutPixels` can return the slot early. */
  readonly lastToSee: boolean;
  /** How many frames of each source all operators together hold back. */
  readonly held: number;
  /** By how many frames all operators before the component together may delay a face. */
  readonly late: number;
  /** True if an operator of the pipeline hides faces. */
  readonly hides: boolean;
  /** How frames are distributed: lets a batcher see that nothing more can arrive. */
  readonly occupancy: Occupancy;
  /** Registers a cleanup; called in reverse order at the end of the run, even after a failure. */
  defer(close: () => void | Promise<void>): void;
}

/** The combined state of all pools of a run. */
export interface Occupancy {
  /** Frames currently leased, over all sources. */
  readonly leased: number;
  /** True if no source can deliver: each has no free slot, or has ended. */
  readonly exhausted: boolean;
  /** Calls back after every change; returns a function that unsubscribes. */
  onChange(callback: () => void): () => void;
}

/** Passed to sources. */
export interface SourceContext extends RunContext {
  readonly pool: FramePool;
  /** Pixel format needed downstream. */
  readonly format: PixelFormat;
  /** Aborted for a clean stop: the source stops reading, delivers what it has, and completes. */
  readonly stop: AbortSignal;
  readonly source: SourceStats;
  /** Undefined while sinks keep up, else resolves once they do: recordings await it, cameras drop frames meanwhile. */
  ready(): Promise<void> | undefined;
}
