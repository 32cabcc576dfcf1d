import { type FileHandle, open } from "node:fs/promises";
import { muxerOf } from "./containers.js";

const MAX_BYTES = 1000;
const SEGMENT = Buffer.from([0x18, 0x53, 0x80, 0x67]);
/** A size in Matroska's own form, in eight bytes. */
const SIZE_OF_EIGHT = 1n << 56n;

/**
 * Leaves a note at the end of a recording, in its container's form of free space (`free` of ISO/IEC 14496-12, `Void` of
 * RFC 8794): players ignore it, and it uses none of the recording's tags. A recording made from it does not have the
 * note.
 */
export async function addNote(path: string, note: string): Promise<void> {
  const text = Buffer.from(note);
  if (text.length > MAX_BYTES) throw new RangeError(`a note of ${text.length} bytes is too long`);
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    const isMatroska = muxerOf(path) === "matroska";
    const space = isMatroska ? voidOf(text) : freeOf(text);
    await file.write(space, 0, space.length, size);
    if (isMatroska) await lengthenSegment(file, space.length);
  } finally {
    await file.close();
  }
}

/** The last bytes of a file as text, which end in its note if it has one. Undefined if the file does not exist. */
export async function endOf(path: string): Promise<string | undefined> {
  const file = await open(path).catch(() => undefined);
  if (!file) return undefined;
  try {
    const { size } = await file.stat();
    const bytes = Math.min(size, MAX_BYTES);
    const { buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, size - bytes);
    return buffer.toString("latin1");
  } finally {
    await file.close();
  }
}

function freeOf(text: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(head.length + text.length);
  head.write("free", 4, "latin1");
  return Buffer.concat([head, text]);
}

function voidOf(text: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head[0] = 0xec;
  head.writeBigUInt64BE(SIZE_OF_EIGHT | BigInt(text.length), 1);
  return Buffer.concat([head, text]);
}

/** Everything in a Matroska file is inside its segment; readers warn of anything behind it. */
async function lengthenSegment(file: FileHandle, bytes: number): Promise<void> {
  const { buffer } = await file.read(Buffer.alloc(100), 0, 100, 0);
  const at = buffer.indexOf(SEGMENT);
  if (at < 0 || buffer[at + SEGMENT.length] !== 1) return; // its size is not in eight bytes, as ffmpeg writes it
  const size = buffer.readBigUInt64BE(at + SEGMENT.length);
  if (size === 2n * SIZE_OF_EIGHT - 1n) return; // extends to the end of the file
  buffer.writeBigUInt64BE(size + BigInt(bytes), at + SEGMENT.length);
  await file.write(buffer, at + SEGMENT.length, 8, at + SEGMENT.length);
}
