import type { FramePool, Slot } from "./pool.js";

/** Offset of the pixels of a frame without pixels: nowhere. */
const NOWHERE: Slot = { index: -1, offset: 0, data: new Uint8Array(0) };

/** `gray` is the luma plane alone; `yuv420p` adds the two chroma planes, each half as wide and high, rounded up. */
export type PixelFormat = "gray" | "yuv420p";

/** Bytes of one frame: the planes follow one another without padding, and the stride equals the width. */
export function frameBytes(width: number, height: number, format: PixelFormat): number {
  const luma = width * height;
  return format === "gray" ? luma : luma + 2 * Math.ceil(width / 2) * Math.ceil(height / 2);
}

export interface FrameInfo {
  /** Id of the source in the pipeline file. */
  readonly source: string;
  /** Number of the frame in its source, from 0, counting dropped ones. */
  readonly sequence: number;
  /** Milliseconds of media time from the container's PTS; for a live source since its first frame. */
  readonly mediaTimeMs: number;
  /** `Date.now()` when the frame's last byte was read. */
  readonly wallTimeMs: number;
  readonly width: number;
  readonly height: number;
  readonly format: PixelFormat;
  /** File name, for a source of pictures. */
  readonly picture?: string;
}

/**
 * A decoded picture with a lease on a pool slot. Whoever receives a frame must pass it on or `release()` it, exactly
 * once per lease; after that its pixels may be overwritten at any time.
 */
export class Frame implements FrameInfo {
  readonly source: string;
  readonly sequence: number;
  readonly mediaTimeMs: number;
  readonly wallTimeMs: number;
  readonly width: number;
  readonly height: number;
  readonly format: PixelFormat;
  readonly picture?: string;
  readonly slot: Slot;
  readonly #pool: FramePool | undefined;

  /** @param pool absent for a frame without pixels and without a lease */
  constructor(info: FrameInfo, slot: Slot, pool: FramePool | undefined) {
    this.source = info.source;
    this.sequence = info.sequence;
    this.mediaTimeMs = info.mediaTimeMs;
    this.wallTimeMs = info.wallTimeMs;
    this.width = info.width;
    this.height = info.height;
    this.format = info.format;
    if (info.picture !== undefined) this.picture = info.picture;
    this.slot = slot;
    this.#pool = pool;
  }

  /** The luma plane, row-major, `width * height` bytes (a view, not a copy). */
  get luma(): Uint8Array {
    return this.slot.data.subarray(0, this.width * this.height);
  }

  /** All planes, `frameBytes(width, height, format)` bytes (a view, not a copy). */
  get pixels(): Uint8Array {
    return this.slot.data.subarray(0, frameBytes(this.width, this.height, this.format));
  }

  /** Adds a lease for one more receiver of the same frame. */
  retain(): void {
    this.#pool?.retain(this.slot);
  }

  /** True while nobody else holds a lease: only then may the pixels be changed. */
  get exclusive(): boolean {
    return this.#pool?.leasesOf(this.slot) === 1;
  }

  /**
   * The same picture in a slot of `pool`, with its own lease; this frame's lease remains. Undefined if `signal` aborts.
   */
  async copy(pool: FramePool, signal: AbortSignal): Promise<Frame | undefined> {
    const slot = await pool.acquire(this.pixels.length, signal);
    if (!slot) return undefined;
    slot.data.set(this.pixels);
    return new Frame(this, slot, pool);
  }

  /** Returns the lease now; the result still describes the frame, and can be retained and released as before. */
  withoutPixels(): Frame {
    this.release();
    return new Frame(this, NOWHERE, undefined);
  }

  /** Returns this receiver's lease. The result is always `false`, for use at the end of a filter. */
  release(): false {
    this.#pool?.release(this.slot);
    return false;
  }
}

/** A rectangle in pixels of the source frame. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A face in one frame, as far as the operators so far have described it. */
export interface Face {
  readonly box: Box;
  /** Detector score; for Haar the number of raw windows that agreed. */
  readonly score: number;
  /** After `track`: counted from 1 per source, never reused in a run. */
  readonly track?: number;
  /** After `classify`: one probability per class in the order of `labels`, as returned by the model. */
  readonly probabilities?: Float32Array;
  /** After `smooth`: the probabilities averaged over time. */
  readonly smoothed?: Float32Array;
  /** After `classify` the most likely class, after `smooth` the one held: an index into `labels`. */
  readonly label?: number;
  /** After `smooth`: media time at which this label began, in ms. */
  readonly labelSinceMs?: number;
  /** The model that produced `probabilities`. */
  readonly model?: FaceModel;
}

/** What a face records about the model that classified it. */
export interface FaceModel {
  readonly name: string;
  readonly version: string;
  /** Class names in the order of the probabilities. */
  readonly labels: readonly string[];
}

/** What flows from `detect` on: a frame (still leased) and its faces. */
export interface FaceFrame {
  readonly frame: Frame;
  readonly faces: readonly Face[];
  /** What `detect` found but `track` did not pass on: not to be reported as faces, but to be hidden. */
  readonly passedOver?: readonly Box[];
  /** True if `detect` scanned the whole frame, not only search windows around known faces. */
  readonly fullScan: boolean;
}
