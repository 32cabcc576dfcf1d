import type { PixelFormat } from "../media/frame.js";
import type { FrameMemory, FramePool } from "../media/pool.js";
import type { RecordingRef, VideoInfo } from "../media/video-info.js";
import type { Histogram } from "./histogram.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** Where a run says what happens. Fields are for `--json`; the message stands alone without them. */
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
   * What makes two runs' events the same events: for a recording its name and size, for a camera the start of the
   * run. Event ids are made from it. The runtime sets it to the source's id; a source may set it better.
   */
  identity: string;
  state: SourceState;
  /** Frames read, dropped ones included. */
  decoded: number;
  /** Frames dropped because no slot was free. */
  dropped: number;
  reconnects: number;
  /** Media time of the first frame, ms; absent before it. */
  firstTimeMs?: number;
  /** Media time of the newest frame, ms. */
  mediaTimeMs: number;
  /** Media time at which the recording ends, where the container tells and it ends at all, ms. */
  durationMs?: number;
  width?: number;
  height?: number;
  /** Times, colours and shape of the pictures; known from the first frame on. */
  video?: VideoInfo;
  /** The recording that it plays, once and by itself: where its sound and chapters can be had. */
  recording?: RecordingRef;
  /** How it ended: by itself, by a clean stop, by a failure; absent while it runs, and when it was cut off. */
  ending?: "end" | "stopped" | "failed";
  /** From the run's start to its own end, s; absent while it runs. */
  seconds?: number;
}

/** Which part of a recording is done, 0 to 1; nothing where its end is not known. */
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
  /** What really runs it, e.g. `onnx cpu`. */
  provider: string;
  batches: number;
  /** Faces in those batches. */
  faces: number;
  /** Time for which a batch was under way, ms. */
  busyMs: number;
}

/** Running figures of the whole run. */
export interface RunStats {
  readonly sources: readonly SourceStats[];
  /** Faces found: one that is seen in ten frames is ten. */
  faces: number;
  /** Faces that `track` has followed; absent where there is none. */
  tracks?: number;
  /** Events made. */
  events: number;
  readonly engines: EngineStats[];
  /** From a picture's arrival to its event, ms; of `left` events, which are late by their nature, nothing. */
  readonly eventDelayMs: Histogram;
}

/** What every component is given. */
export interface RunContext {
  /** The component's id in the graph, for messages. */
  readonly id: string;
  readonly pipeline: { readonly name: string; readonly purpose?: string; readonly retention?: string };
  /** Folder of the pipeline file. */
  readonly baseDir: string;
  /** Folder for what must outlast the run, such as events that are not sent yet; to be made by who needs it. */
  readonly stateDir: string;
  /** Aborted when everything must end at once (second Ctrl-C, a failure elsewhere). */
  readonly signal: AbortSignal;
  readonly memory: FrameMemory;
  readonly log: Log;
  readonly stats: RunStats;
  /** `Date.now()` at the start of the run. */
  readonly startedAtMs: number;
  /** True when nothing after the component looks at pixels: `Frame.withoutPixels` gives their slot back early. */
  readonly lastToSee: boolean;
  /** How many frames of each source all operators together keep back. */
  readonly held: number;
  /** By how many frames all operators before the component together may give a face late. */
  readonly late: number;
  /** True where an operator of the pipeline hides faces. */
  readonly hides: boolean;
  /** How the frames are spread: lets a batcher see that nothing more can arrive. */
  readonly occupancy: Occupancy;
  /** Registers what closes a resource; called in reverse order at the end of the run, also after a failure. */
  defer(close: () => void | Promise<void>): void;
}

/** All pools of a run together. */
export interface Occupancy {
  /** Frames leased now, over all sources. */
  readonly leased: number;
  /** True when no source that still runs can deliver: each has no free slot, or has ended. */
  readonly exhausted: boolean;
  /** Calls back after every change; returns what stops it. */
  onChange(callback: () => void): () => void;
}

/** What a source is given besides. */
export interface SourceContext extends RunContext {
  readonly pool: FramePool;
  /** Pixels wanted downstream. */
  readonly format: PixelFormat;
  /** Aborted for a clean end: the source stops reading, delivers what it has, and completes. */
  readonly stop: AbortSignal;
  readonly source: SourceStats;
  /** Nothing while sinks keep up, else what resolves once they do: recordings await it, cameras drop meanwhile. */
  ready(): Promise<void> | undefined;
}
