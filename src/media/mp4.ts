import { type FileHandle, open } from "node:fs/promises";

/** A box of ISO/IEC 14496-12 within a buffer. */
interface Box {
  readonly type: string;
  /** Start and end of its content. */
  readonly from: number;
  readonly to: number;
}

/** What an entry of `stts` takes; ffmpeg leaves an empty box of this size behind `moov`. */
const ENTRY = 8;

/**
 * Gives the last frame of an MP4 or QuickTime file a duration if it has none: the 2018 ffmpeg writes such files, and
 * players skip that frame. Nothing else moves, since `moov` can grow by one entry.
 *
 * @param held true to also replace a duration that is shorter
 */
export async function endLastPicture(path: string, seconds: number, held = false): Promise<void> {
  const file = await open(path, "r+");
  try {
    const place = await findMovie(file);
    if (!place) return;
    const box = Buffer.alloc(place.bytes);
    await file.read(box, 0, place.bytes, place.at);
    const longer = lengthen(box, seconds, held);
    if (!longer || (longer.length > box.length && !(await hasRoom(file, place.at + place.bytes)))) return;
    await file.write(longer, 0, longer.length, place.at);
  } finally {
    await file.close();
  }
}

/** Whether the file ends here, or goes on with an empty box of the size of an entry. */
async function hasRoom(file: FileHandle, at: number): Promise<boolean> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(ENTRY), 0, ENTRY, at);
  if (bytesRead === 0) return true;
  return buffer.readUInt32BE(0) === ENTRY && /^(free|wide)$/.test(buffer.toString("latin1", 4));
}

/** Where `moov` is. */
async function findMovie(file: FileHandle): Promise<{ at: number; bytes: number } | undefined> {
  const { size: end } = await file.stat();
  const head = Buffer.alloc(16);
  for (let at = 0; at + 8 <= end; ) {
    await file.read(head, 0, 16, at);
    const short = head.readUInt32BE(0);
    const size = short === 1 ? Number(head.readBigUInt64BE(8)) : short === 0 ? end - at : short;
    if (size < 8) return undefined;
    if (head.toString("latin1", 4, 8) === "moov") return { at, bytes: size };
    at += size;
  }
  return undefined;
}

/** A `moov` box with a longer last frame; undefined if there is nothing to do. Changes the given one. */
function lengthen(movie: Buffer, seconds: number, held: boolean): Buffer | undefined {
  const whole = { type: "moov", from: 8, to: movie.length };
  const track = boxes(movie, whole).find((box) => box.type === "trak" && isVideo(movie, box));
  const media = track && find(movie, track, "mdia");
  const table = media && find(movie, media, "minf", "stbl");
  const times = table && find(movie, table, "stts");
  const header = media && find(movie, media, "mdhd");
  const movieHeader = find(movie, whole, "mvhd");
  const trackHeader = track && find(movie, track, "tkhd");
  if (!track || !media || !times || !header || !movieHeader || !trackHeader) return undefined;

  const entries = movie.readUInt32BE(times.from + 4);
  if (entries === 0) return undefined;
  const lastEntry = times.from + ENTRY * entries;
  const frames = movie.readUInt32BE(lastEntry);
  const before = movie.readUInt32BE(lastEntry + 4);
  const [scale, movieScale] = [scaleOf(movie, header), scaleOf(movie, movieHeader)];
  const edits = find(movie, track, "edts", "elst");
  const edit = edits && lastEdit(movie, edits);
  const length = Math.round(scale * seconds);
  if (before !== 0 && !(held && length - before > scale / 100)) return undefined; // ffmpeg tells lengths to 10 ms
  // An edit shows what starts at its media time and everything after it.
  const shown = latest(movie, times, find(movie, table, "ctts")) + length - (edit?.mediaTime ?? 0);
  const duration = durationOf(movie, header);
  const decoded = read(movie, duration) - before;
  const longer = Math.max(decoded + length, shown);
  write(movie, duration, longer);

  const trackDuration = durationOf(movie, trackHeader);
  const inMovie = Math.round((shown * movieScale) / scale);
  const more = inMovie - read(movie, edit?.duration ?? trackDuration);
  if (edit) write(movie, edit.duration, inMovie);
  write(movie, trackDuration, read(movie, trackDuration) + more);
  const wholeDuration = durationOf(movie, movieHeader);
  write(movie, wholeDuration, Math.max(read(movie, wholeDuration), read(movie, trackDuration)));

  movie.writeUInt32BE(frames === 1 ? longer - decoded : before, lastEntry + 4);
  if (frames === 1) return movie;
  // The last frame shares its entry with those before it, and gets one of its own.
  movie.writeUInt32BE(frames - 1, lastEntry);
  movie.writeUInt32BE(entries + 1, times.from + 4);
  const path = ["mdia", "minf", "stbl", "stts"].map((_, i, names) =>
    find(movie, track, ...names.slice(0, i + 1)),
  );
  for (const box of [whole, track, ...path])
    if (box) movie.writeUInt32BE(movie.readUInt32BE(box.from - 8) + ENTRY, box.from - 8);
  const entry = Buffer.alloc(ENTRY);
  entry.writeUInt32BE(1);
  entry.writeUInt32BE(longer - decoded, 4);
  return Buffer.concat([movie.subarray(0, lastEntry + ENTRY), entry, movie.subarray(lastEntry + ENTRY)]);
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
