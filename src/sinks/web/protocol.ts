import type { SourceState } from "../../pipeline/context.js";

// The protocol between page and server over the WebSocket. Text messages are JSON; pictures are binary.

/** Incremented when a message changes; a page with another version reloads itself. */
export const PROTOCOL = 2;

/**
 * One face at one time, for timelines: camera (index), track, media time (integer ms), label (index; -1: none), then
 * one probability per label in thousandths. Has fewer probabilities if the face's model has fewer labels.
 */
export type Point = readonly number[];

export interface CameraFigures {
  readonly state: SourceState;
  /** Frames read, including dropped ones. */
  readonly decoded: number;
  readonly dropped: number;
  readonly reconnects: number;
  /** Media time of the newest frame that came through the pipeline. */
  readonly mediaTimeMs: number;
  readonly durationMs?: number;
  /** From receiving that frame's last byte until its arrival here, ms. */
  readonly latencyMs: number;
}

/** An emotion event as the page lists it. */
export interface ListedEvent {
  readonly id: string;
  readonly camera: string;
  readonly track: number;
  readonly kind: "appeared" | "changed" | "sample" | "left";
  readonly label: string;
  readonly confidence: number;
  readonly mediaTimeMs: number;
  readonly sinceMs: number;
}

export type ServerMessage =
  | {
      /** The first message: the run, and what happened in the last minutes. */
      readonly type: "hello";
      readonly protocol: number;
      readonly pipeline: string;
      /** Differs from run to run. */
      readonly run: string;
      readonly cameras: readonly { readonly id: string; readonly live: boolean }[];
      readonly labels: readonly string[];
      readonly points: readonly Point[];
      readonly events: readonly ListedEvent[];
    }
  | { readonly type: "labels"; readonly labels: readonly string[] }
  | { readonly type: "points"; readonly points: readonly Point[] }
  | { readonly type: "events"; readonly events: readonly ListedEvent[] }
  | {
      readonly type: "figures";
      /** When they were taken, by the server's monotonic clock. */
      readonly atMs: number;
      /** In the order of `hello.cameras`. */
      readonly cameras: readonly CameraFigures[];
      readonly faces: number;
      readonly events: number;
      /** Frames currently in the pipeline. */
      readonly queue: number;
      readonly viewers: number;
    }
  /** The run is over and the server stops. */
  | { readonly type: "end" };

export type PageMessage =
  /** Whether this page wants pictures: not while paused or hidden, and not before this message. */
  | { readonly type: "watch"; readonly pictures: boolean }
  /** A picture of this camera (index) has been drawn, so another may be sent. */
  | { readonly type: "drawn"; readonly camera: number };

/** A face in a picture. The box is in pixels of the source frame. */
export interface SeenFace {
  readonly box: readonly [x: number, y: number, width: number, height: number];
  readonly track?: number;
  /** Index into the labels. */
  readonly label?: number;
  readonly confidence?: number;
}

/** Header of the JPEG in a binary message. */
export interface PictureHead {
  /** Index into `hello.cameras`. */
  readonly camera: number;
  readonly sequence: number;
  readonly mediaTimeMs: number;
  /** Size of the source frame; the JPEG is smaller or equal. */
  readonly width: number;
  readonly height: number;
  readonly faces: readonly SeenFace[];
}

/** Builds a binary message: length of the head (4 bytes, big-endian), the head as JSON, the JPEG. */
export function packPicture(head: PictureHead, jpeg: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(head));
  const message = new Uint8Array(4 + json.length + jpeg.length);
  new DataView(message.buffer).setUint32(0, json.length);
  message.set(json, 4);
  message.set(jpeg, 4 + json.length);
  return message;
}

/** The parts of a binary message. */
export function unpackPicture(message: ArrayBuffer): {
  head: PictureHead;
  jpeg: Uint8Array<ArrayBuffer>;
} {
  const length = new DataView(message).getUint32(0);
  const json = new TextDecoder().decode(new Uint8Array(message, 4, length));
  return { head: JSON.parse(json) as PictureHead, jpeg: new Uint8Array(message, 4 + length) };
}
