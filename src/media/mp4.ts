import { type FileHandle, open } from "node:fs/promises";

/** A box of ISO/IEC 14496-12 within a buffer. */
interface Box {
  readonly type: string;
  /** Start and end of its content. */
  readonly from: number;
  readonly to: number;
}

/**
 * Gives the last frame of an MP4 or QuickTime file a duration if it has none: the 2018 ffmpeg writes such files, and
 * players skip that frame. Nothing moves; numbers are only changed in place.
 */
export async function endLastPicture(path: string, seconds: number): Promise<void> {
  const file = await open(path, "r+");
  try {
    const place = await findMovie(file);
    if (!place) return;
    const movie = Buffer.alloc(place.bytes);
    await file.read(movie, 0, place.bytes, place.at);
    if (lengthen(movie, seconds)) await file.write(movie, 0, place.bytes, place.at);
  } finally {
    await file.close();
  }
}

/** Where the content of `moov` is. */
async function findMovie(file: FileHandle): Promise<{ at: number; bytes: number } | undefined> {
  const { size: end } = await file.stat();
  const head = Buffer.alloc(16);
  for (let at = 0; at + 8 <= end; ) {
    await file.read(head, 0, 16, at);
    const short = head.readUInt32BE(0);
    const size = short === 1 ? Number(head.readBigUInt64BE(8)) : short === 0 ? end - at : short;
    if (size < 8) return undefined;
    if (head.toString("latin1", 4, 8) === "moov") return { at: at + 8, bytes: size - 8 };
    at += size;
  }
  return undefined;
}

/** Changes the content of a `moov` box; false if there was nothing to do. */
function lengthen(movie: Buffer, seconds: number): boolean {
  const whole = { type: "moov", from: 0, to: movie.length };
  const track = boxes(movie, whole).find((box) => box.type === "trak" && isVideo(movie, box));
  const media = track && find(movie, track, "mdia");
  const table = media && find(movie, media, "minf", "stbl");
  const times = table && find(movie, table, "stts");
  const header = media && find(movie, media, "mdhd");
  const movieHeader = find(movie, whole, "mvhd");
  const trackHeader = track && find(movie, track, "tkhd");
  if (!track || !times || !header || !movieHeader || !trackHeader) return false;

  const entries = movie.readUInt32BE(times.from + 4);
  const lastLength = times.from + 8 * entries + 4;
  if (entries === 0 || movie.readUInt32BE(lastLength) !== 0) return false;
  const [scale, movieScale] = [scaleOf(movie, header), scaleOf(movie, movieHeader)];
  const edits = find(movie, track, "edts", "elst");
  const edit = edits && lastEdit(movie, edits);
  const length = Math.round(scale * seconds);
  // An edit shows what starts at its media time and everything after it.
  const shown = latest(movie, times, find(movie, table, "ctts")) + length - (edit?.mediaTime ?? 0);
  const duration = durationOf(movie, header);
  const decoded = read(movie, duration);
  const longer = Math.max(decoded + length, shown);
  movie.writeUInt32BE(longer - decoded, lastLength);
  write(movie, duration, longer);

  const trackDuration = durationOf(movie, trackHeader);
  const inMovie = Math.round((shown * movieScale) / scale);
  const more = inMovie - read(movie, edit?.duration ?? trackDuration);
  if (edit) write(movie, edit.duration, inMovie);
  write(movie, trackDuration, read(movie, trackDuration) + more);
  const wholeDuration = durationOf(movie, movieHeader);
  write(movie, wholeDuration, Math.max(read(movie, wholeDuration), read(movie, trackDuration)));
  return true;
}

/** When the last frame in display order is shown, in the track's units. */
function latest(movie: Buffer, times: Box, offsets: Box | undefined): number {
  let last = 0;
  let decoded = 0;
  const offsetOf = runs(movie, offsets);
  for (const length of runs(movie, times)) {
    last = Math.max(last, decoded + (offsetOf.next().value ?? 0));
    decoded += length;
  }
  return last;
}

/** The values of `stts` or `ctts`, one per frame. */
function* runs(buffer: Buffer, box: Box | undefined): Generator<number, undefined> {
  if (!box) return;
  const entries = buffer.readUInt32BE(box.from + 4);
  for (let n = 0; n < entries; n++) {
    const at = box.from + 8 + 8 * n;
    // Offsets may be negative; in version 0 none is large enough to be mistaken for a negative one.
    for (let left = buffer.readUInt32BE(at); left > 0; left--) yield buffer.readInt32BE(at + 4);
  }
}

function isVideo(movie: Buffer, track: Box): boolean {
  const handler = find(movie, track, "mdia", "hdlr");
  return handler !== undefined && movie.toString("latin1", handler.from + 8, handler.from + 12) === "vide";
}

function boxes(buffer: Buffer, { from, to }: Box): Box[] {
  const found: Box[] = [];
  for (let at = from; at + 8 <= to; ) {
    const size = buffer.readUInt32BE(at);
    if (size < 8) break;
    found.push({
      type: buffer.toString("latin1", at + 4, at + 8),
      from: at + 8,
      to: Math.min(to, at + size),
    });
    at += size;
  }
  return found;
}

function find(buffer: Buffer, within: Box, ...path: readonly string[]): Box | undefined {
  let box: Box | undefined = within;
  for (const type of path) box = box && boxes(buffer, box).find((inner) => inner.type === type);
  return box;
}

/** A number in four or eight bytes. */
interface Field {
  readonly at: number;
  readonly long: boolean;
}

const isLong = (buffer: Buffer, { from }: Box) => buffer[from] === 1; // version 1: 64-bit times

/** Units per second, from `mdhd` or `mvhd`. */
function scaleOf(buffer: Buffer, box: Box): number {
  return buffer.readUInt32BE(box.from + (isLong(buffer, box) ? 20 : 12));
}

/** Position of the duration in `mdhd`, `mvhd` and `tkhd`, which is the same in each. */
function durationOf(buffer: Buffer, box: Box): Field {
  const long = isLong(buffer, box);
  const gap = box.type === "tkhd" ? 4 : 0; // track number and a reserved field instead of the scale
  return { at: box.from + (long ? 24 : 16) + gap, long };
}

/** The last edit: its duration in the movie's units, and its start in the track's. */
function lastEdit(buffer: Buffer, box: Box): { duration: Field; mediaTime: number } {
  const long = isLong(buffer, box);
  const entries = buffer.readUInt32BE(box.from + 4);
  const at = box.from + 8 + (entries - 1) * (long ? 20 : 12);
  const mediaTime = long ? Number(buffer.readBigInt64BE(at + 8)) : buffer.readInt32BE(at + 4);
  return { duration: { at, long }, mediaTime };
}

function read(buffer: Buffer, { at, long }: Field): number {
  return long ? Number(buffer.readBigUInt64BE(at)) : buffer.readUInt32BE(at);
}

function write(buffer: Buffer, { at, long }: Field, value: number): void {
  if (long) buffer.writeBigUInt64BE(BigInt(value), at);
  else buffer.writeUInt32BE(value, at);
}
