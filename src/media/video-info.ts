export interface Rational {
  readonly num: number;
  readonly den: number;
}

/** How samples map to colours: code points of ISO/IEC 23091-2 (H.273). */
export interface ColourInfo {
  /** `tv`: luma 16 to 235. `pc`: luma 0 to 255. */
  readonly range: "tv" | "pc";
  /** Absent, like the two below, if the container does not say. */
  readonly matrix?: number;
  readonly primaries?: number;
  readonly transfer?: number;
}

// Weights of red and blue in luma, by H.273 code point of the matrix.
const WEIGHTS: Readonly<Record<number, readonly [red: number, blue: number]>> = {
  1: [0.2126, 0.0722], // BT.709
  9: [0.2627, 0.0593], // BT.2020
  10: [0.2627, 0.0593],
};
const BT601 = [0.299, 0.114] as const;
/** From this height on, players take an untagged picture for BT.709. */
export const HD_HEIGHT = 720;

/** Weights of red and blue in luma in pictures of this height. */
export function lumaWeights(
  matrix: number | undefined,
  height: number,
): readonly [red: number, blue: number] {
  return WEIGHTS[matrix ?? (height >= HD_HEIGHT ? 1 : 0)] ?? BT601;
}

/** What a container says about its video besides the size: what an encoder needs to preserve it. */
export interface VideoInfo {
  /** Unit of the container's PTS in seconds. */
  readonly timeBase: Rational;
  /** Nominal rate in frames per second; absent if the container has none. */
  readonly frameRate?: Rational;
  /** Ratio of a pixel's width to its height. */
  readonly sampleAspect: Rational;
  /** Colour of the pixels as decoded. */
  readonly colour: ColourInfo;
  /** Bits per sample in the recording; decoded frames have 8. */
  readonly bits: number;
  /** Earliest time of any stream in the container, in ms: players show it as 0:00. */
  readonly startMs: number;
  /** ffmpeg's names of the codecs of its subtitle streams, in order. */
  readonly subtitles: readonly string[];
  /** True if there is nothing else in the container, whose length is then that of the video. */
  readonly alone?: boolean;
  /** Its cover pictures. */
  readonly covers?: readonly Cover[];
  /** Number of attachments, without cover pictures. */
  readonly attachments?: number;
}

/** A picture in a recording that ffmpeg takes for a video stream; unknown to its build of 2018. */
export interface Cover {
  /** Of the stream. */
  readonly index: number;
  /** ffmpeg's name, e.g. `mjpeg`. */
  readonly codec: string;
}

/** Part of a recording, which ffmpeg can open again. */
export interface RecordingRef {
  /** As an ffmpeg input. */
  readonly url: string;
  /** Its start and end, relative to the recording's start; absent where they coincide with the recording's. */
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** Some containers start at an arbitrary time. A start below this is kept instead, so that all times stay the same. */
const KEPT_START_MS = 1000;

/** The recording's time that becomes 0 in what is made from it, in ms. */
export function zeroOf({ startMs }: VideoInfo, { fromMs }: RecordingRef): number {
  if (fromMs !== undefined) return startMs + fromMs;
  return startMs >= 0 && startMs < KEPT_START_MS ? 0 : startMs;
}

/** An input's pixels, as reported in ffmpeg's `Stream` line. */
export interface StreamPixels extends Omit<ColourInfo, "range"> {
  /** ffmpeg's name, e.g. `yuv420p10le`. */
  readonly format: string;
  readonly range?: "tv" | "pc";
}

// ffmpeg's names, in the order of their code points.
const MATRICES =
  "gbr bt709 - - fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c smpte2085 chroma-derived-nc chroma-derived-c ictcp";
const PRIMARIES = "- bt709 - - bt470m bt470bg smpte170m smpte240m film bt2020 smpte428 smpte431 smpte432";
const TRANSFERS =
  "- bt709 - - bt470m bt470bg smpte170m smpte240m linear log100 log316 iec61966-2-4 bt1361e iec61966-2-1 bt2020-10 bt2020-12 smpte2084 smpte428 arib-std-b67";

function codePoint(names: string, name: string | undefined): number | undefined {
  const at = names.split(" ").indexOf(name ?? "");
  return at < 0 ? undefined : at;
}

/** Reads `yuv420p10le(tv, bt2020nc/bt2020/smpte2084, progressive)` from a `Stream ... Video:` line. */
export function parseStreamPixels(line: string): StreamPixels | undefined {
  const match = /: Video: [^,]+, ([a-z0-9_]+)(?:\(([^)]*)\))?/.exec(line);
  if (!match?.[1]) return undefined;
  const notes = (match[2] ?? "").split(", ");
  const range = notes.find((note): note is "tv" | "pc" => note === "tv" || note === "pc");
  const three = notes.find((note) => note.split("/").length === 3)?.split("/");
  // A single name stands for matrix, primaries and transfer if all have the same one.
  const alike = notes.find((note) => codePoint(MATRICES, note) !== undefined);
  const [matrix, primaries, transfer] = three ?? [alike, alike, alike];
  return {
    format: match[1],
    ...(range && { range }),
    ...codes(codePoint(MATRICES, matrix), codePoint(PRIMARIES, primaries), codePoint(TRANSFERS, transfer)),
  };
}

function codes(
  matrix: number | undefined,
  primaries: number | undefined,
  transfer: number | undefined,
): Omit<ColourInfo, "range"> {
  return {
    ...(matrix !== undefined && { matrix }),
    ...(primaries !== undefined && { primaries }),
    ...(transfer !== undefined && { transfer }),
  };
}

const RGB = /^(rgb|bgr|argb|abgr|gbr|pal8|0rgb|0bgr)/;
/** The matrix that ffmpeg converts RGB with unless told otherwise. */
const SMPTE170M = 6;

/** How to read pixels of `input` once ffmpeg has decoded them to `decoded`, which is `yuv420p` or `yuvj420p`. */
export function decodedColour(input: StreamPixels | undefined, decoded: string): ColourInfo {
  const rgb = RGB.test(input?.format ?? "");
  // `yuvj` means full range; converting between such formats and others converts the range too.
  const converted = rgb || input?.format.startsWith("yuvj");
  const full = decoded.startsWith("yuvj") || (input?.range === "pc" && !converted);
  return {
    range: full ? "pc" : "tv",
    ...codes(rgb ? SMPTE170M : input?.matrix, input?.primaries, input?.transfer),
  };
}

/** Bits per sample of ffmpeg's pixel format. */
export function bitsOf(format: string): number {
  return Number(/p(9|10|12|14|16)(?:le|be)?$/.exec(format)?.[1] ?? 8);
}
