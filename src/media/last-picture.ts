import { open } from "node:fs/promises";
import { endLastPicture } from "./mp4.js";
import type { Rational } from "./video-info.js";

/** Assumed rate if the recording has none. */
export const USUAL_FPS: Rational = { num: 30, den: 1 };

/** The last picture of a file that has been written, in the file's own times. */
export interface LastPicture {
  readonly path: string;
  /** ffmpeg's name of the container. */
  readonly muxer: string;
  readonly frameRate: Rational | undefined;
  readonly atMs: number;
  /** Until when it is shown, to 10 ms; undefined if that is unknown. */
  readonly endMs: number | undefined;
}

/** Gives the last picture its length, which ffmpeg takes for that of any other, or writes as nothing at all. */
export async function holdLastPicture({
  path,
  muxer,
  frameRate,
  atMs,
  endMs = 0,
}: LastPicture): Promise<void> {
  const { num, den } = frameRate ?? USUAL_FPS;
  const usualMs = (1000 * den) / num;
  const held = endMs - atMs > 2 * usualMs;
  if (muxer !== "matroska") await endLastPicture(path, (held ? endMs - atMs : usualMs) / 1000, held);
  else if (held) await lengthen(path, endMs);
}

const DURATION = Buffer.from([0x44, 0x89, 0x88]); // of eight bytes, as ffmpeg writes it
/** The file's description comes first. */
const HEAD_BYTES = 65_536;

/** Writes a Matroska file's length, unless it is longer already. */
async function lengthen(path: string, ms: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    const at = buffer.indexOf(DURATION) + DURATION.length; // these bytes are in no UTF-8 text
    if (at < DURATION.length || at + 8 > bytesRead || buffer.readDoubleBE(at) >= ms) return;
    buffer.writeDoubleBE(ms, at);
    await file.write(buffer, at, 8, at);
  } finally {
    await file.close();
  }
}
