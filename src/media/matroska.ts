import type { Rational, VideoInfo } from "./video-info.js";

// Element ids of RFC 9559 (Matroska) and RFC 8794 (EBML), with their length markers.
const EBML = [0x1a, 0x45, 0xdf, 0xa3];
const SEGMENT = [0x18, 0x53, 0x80, 0x67];
const INFO = [0x15, 0x49, 0xa9, 0x66];
const TRACKS = [0x16, 0x54, 0xae, 0x6b];
const CLUSTER = [0x1f, 0x43, 0xb6, 0x75];
const UNKNOWN_SIZE = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

/** A code point of H.273. */
const UNSPECIFIED = 2;

/** Ticks per ms in the times of a raw stream: microseconds. */
export const TICKS_PER_MS = 1000;

/**
 * Head of a Matroska stream of raw `yuv420p` frames, which passes them to ffmpeg with their own times; plain rawvideo
 * cannot.
 */
export function rawHead(width: number, height: number, video: VideoInfo): Uint8Array {
  const { frameRate, sampleAspect, colour } = video;
  const { num, den } = sampleAspect;
  const tags = [
    ...element([0x55, 0xb9], uint(colour.range === "pc" ? 2 : 1)),
    ...element([0x55, 0xb1], uint(colour.matrix ?? UNSPECIFIED)),
    ...element([0x55, 0xba], uint(colour.transfer ?? UNSPECIFIED)),
    ...element([0x55, 0xbb], uint(colour.primaries ?? UNSPECIFIED)),
  ];
  const picture = [
    ...element([0xb0], uint(width)),
    ...element([0xba], uint(height)),
    ...element([0x54, 0xb0], uint(width * num)),
    ...element([0x54, 0xba], uint(height * den)),
    ...element([0x2e, 0xb5, 0x24], text("I420")),
    ...element([0x55, 0xb0], tags),
  ];
  const track = [
    ...element([0xd7], uint(1)),
    ...element([0x73, 0xc5], uint(1)),
    ...element([0x83], uint(1)), // video
    ...element([0x9c], uint(0)), // no lacing
    ...element([0x22, 0xb5, 0x9c], text("und")), // without a language it would be English
    ...element([0x86], text("V_UNCOMPRESSED")),
    ...(frameRate ? element([0x23, 0xe3, 0x83], uint(nanoseconds(frameRate))) : []),
    ...element([0xe0], picture),
  ];
  const ebml = [
    ...element([0x42, 0x82], text("matroska")),
    ...element([0x42, 0x87], uint(4)),
    ...element([0x42, 0x85], uint(2)),
  ];
  const info = [
    ...element([0x2a, 0xd7, 0xb1], uint(1_000_000 / TICKS_PER_MS)), // nanoseconds per tick
    ...element([0x4d, 0x80], text("ekspresi")),
    ...element([0x57, 0x41], text("ekspresi")),
  ];
  return Uint8Array.from([
    ...element(EBML, ebml),
    ...SEGMENT,
    ...UNKNOWN_SIZE,
    ...element(INFO, info),
    ...element(TRACKS, element([0xae], track)),
  ]);
}

/**
 * Precedes the pixels of one frame: a cluster with a single block.
 *
 * @param ticks time of the frame
 */
export function rawFrameHead(ticks: number, bytes: number): Uint8Array {
  const time = element([0xe7], uint(ticks));
  const block = [0xa3, ...size(bytes + 4), 0x81, 0, 0, 0x80]; // track 1, at the cluster's time, a keyframe
  return Uint8Array.from([...CLUSTER, ...size(time.length + block.length + bytes), ...time, ...block]);
}

function nanoseconds({ num, den }: Rational): number {
  return Math.round((1e9 * den) / num);
}

function element(id: readonly number[], content: readonly number[]): number[] {
  return [...id, ...size(content.length), ...content];
}

/** A size in eight bytes, the first of which is the marker. */
function size(value: number): number[] {
  return [0x01, ...uint(value, 7)];
}

function uint(value: number, least = 1): number[] {
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  while (bytes.length < least) bytes.unshift(0);
  return bytes;
}

function text(value: string): number[] {
  return [...Buffer.from(value)];
}
