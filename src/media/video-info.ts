export interface Rational {
  readonly num: number;
  readonly den: number;
}

/** How samples are to be read as colours: code points of ISO/IEC 23091-2 (H.273). */
export interface ColourInfo {
  /** `tv`: luma 16 to 235. `pc`: luma 0 to 255. */
  readonly range: "tv" | "pc";
  /** Absent, as the two below, where the container does not say. */
  readonly matrix?: number;
  readonly primaries?: number;
  readonly transfer?: number;
}

/** What a container says of its pictures besides their size: what an encoder needs to keep them as they are. */
export interface VideoInfo {
  /** Unit of the container's PTS, seconds. */
  readonly timeBase: Rational;
  /** Nominal rate, pictures a second; absent where the container has none. */
  readonly frameRate?: Rational;
  /** Width of a pixel to its height. */
  readonly sampleAspect: Rational;
  /** Of the pixels as decoded. */
  readonly colour: ColourInfo;
  /** Bits a sample of the recording; what is decoded has 8. */
  readonly bits: number;
  /** Earliest time of any stream in the container, ms: players call it 0:00. */
  readonly startMs: number;
  /** ffmpeg's names of the codecs of its streams of subtitles, in their order. */
  readonly subtitles: readonly string[];
}

/** A part of a recording that ffmpeg can open once more. */
export interface RecordingRef {
  /** As ffmpeg takes it. */
  readonly url: string;
  /** What begins and ends it, counted from the recording's start; absent where that is its own. */
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** Some containers begin at any time; a start that others tell is kept, so that every time stays what it was. */
const KEPT_START_MS = 1000;

/** The recording's time, ms, that is 0 of what is made of it. */
export function zeroOf({ startMs }: VideoInfo, { fromMs }: RecordingRef): number {
  if (fromMs !== undefined) return startMs + fromMs;
  return startMs >= 0 && startMs < KEPT_START_MS ? 0 : startMs;
}

/** An input's pixels, as ffmpeg's `Stream` line tells of them. */
export interface StreamPixels extends Omit<ColourInfo, "range"> {
  /** ffmpeg's name, e.g. `yuv420p10le`. */
  readonly format: string;
  readonly range?: "tv" | "pc";
}

// ffmpeg's names, each at its code point.
const MATRICES =
  "gbr bt709 - - fcc bt470bg smpte170m smpte240m ycgco bt2020nc bt2020c smpte2085 chroma-derived-nc chroma-derived-c ictcp";
const PRIMARIES = "- bt709 - - bt470m bt470bg smpte170m smpte240m film bt2020 smpte428 smpte431 smpte432";
const TRANSFERS =
  "- bt709 - - bt470m bt470bg smpte170m smpte240m linear log100 log316 iec61966-2-4 bt1361e iec61966-2-1 bt2020-10 bt2020-12 smpte2084 smpte428 arib-std-b67";

function codePoint(names: string, name: string | undefined): number | undefined {
  const at = names.split(" ").indexOf(name ?? "");
  return at < 0 ? undefined : at;
}

/** Reads `yuv420p10le(tv, bt2020nc/bt2020/smpte2084, progressive)` out of a `Stream ... Video:` line. */
export function parseStreamPixels(line: string): StreamPixels | undefined {
  const match = /: Video: [^,]+, ([a-z0-9_]+)(?:\(([^)]*)\))?/.exec(line);
  if (!match?.[1]) return undefined;
  const notes = (match[2] ?? "").split(", ");
  const range = notes.find((note): note is "tv" | "pc" => note === "tv" || note === "pc");
  const three = notes.find((note) => note.split("/").length === 3)?.split("/");
  // One name stands alone where matrix, primaries and transfer are called alike.
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
/** What ffmpeg converts red, green and blue with when nothing says otherwise. */
const SMPTE170M = 6;

/** How pixels of `input` are to be read once ffmpeg has decoded them to `decoded`, `yuv420p` or `yuvj420p`. */
export function decodedColour(input: StreamPixels | undefined, decoded: string): ColourInfo {
  const rgb = RGB.test(input?.format ?? "");
  // `yuvj` means full range; a conversion between such formats and others converts the range too.
  const converted = rgb || input?.format.startsWith("yuvj");
  const full = decoded.startsWith("yuvj") || (input?.range === "pc" && !converted);
  return {
    range: full ? "pc" : "tv",
    ...codes(rgb ? SMPTE170M : input?.matrix, input?.primaries, input?.transfer),
  };
}

/** Bits a sample of ffmpeg's pixel format. */
export function bitsOf(format: string): number {
  return Number(/p(9|10|12|14|16)(?:le|be)?$/.exec(format)?.[1] ?? 8);
}
