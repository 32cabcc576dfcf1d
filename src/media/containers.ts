import { extname } from "node:path";

const MUXERS: Readonly<Record<string, string>> = {
  ".mp4": "mp4",
  ".m4v": "mp4",
  ".mov": "mov",
  ".mkv": "matroska",
};

/** Extensions of recordings that can be written. */
export const CONTAINERS: readonly string[] = Object.keys(MUXERS);

/** ffmpeg's name of the container for a file's extension; undefined if it is none of `CONTAINERS`. */
export function muxerOf(path: string): string | undefined {
  return MUXERS[extname(path).toLowerCase()];
}

const TEXTS = ["mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"];
const BITMAPS = ["dvb_subtitle", "dvd_subtitle", "hdmv_pgs_subtitle"];

/**
 * Maps the subtitle streams of input number `input` into a container: unchanged if it can hold them, text in the
 * container's own format if not. Picture subtitles have no place in MP4 and are dropped.
 *
 * @param codecs ffmpeg's names, in stream order
 * @param before number of subtitle streams that come first in the output
 */
export function subtitleOptions(
  muxer: string,
  codecs: readonly string[],
  input: number,
  before = 0,
): string[] {
  const options: string[] = [];
  let n = before;
  for (const [i, codec] of codecs.entries()) {
    const target = muxer === "matroska" ? inMatroska(codec) : inMp4(codec);
    if (target) options.push("-map", `${input}:s:${i}`, `-c:s:${n++}`, target);
  }
  return options;
}

function inMatroska(codec: string): string | undefined {
  if (codec === "mov_text") return "srt";
  return TEXTS.includes(codec) || BITMAPS.includes(codec) ? "copy" : undefined;
}

function inMp4(codec: string): string | undefined {
  if (codec === "mov_text") return "copy";
  return TEXTS.includes(codec) ? "mov_text" : undefined;
}
