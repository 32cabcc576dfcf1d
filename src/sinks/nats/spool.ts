import { closeSync, constants, openSync, readdirSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { diskReason, isDiskFull, makeFolder } from "../../disk.js";
import { SinkError } from "../../errors.js";
import { lockSpool } from "./lock.js";
import { firstOf, Segment } from "./segment.js";

export interface SpoolOptions {
  /** Maximum number of bytes on disk. */
  readonly maxBytes: number;
}

/** Number of segments a full spool has, so that space is freed, and old records dropped, in small steps. */
const SEGMENTS = 16;
const LARGEST_SEGMENT = 8 * 2 ** 20;

/** A record and its number. */
export interface SpoolRecord {
  readonly number: number;
  readonly bytes: Buffer;
}

/**
 * Records on disk waiting to be delivered, numbered in the order of `append`. Once `append` returns, the operating
 * system has the record: it survives the end of this process, however it ends, but not a power failure.
 */
export class Spool {
  /** Damaged bytes found at the start and skipped; an interrupted write leaves a few. */
  readonly damagedBytes: number;
  readonly #id: string;
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #segmentBytes: number;
  readonly #unlock: () => void;
  readonly #segments: Segment[];
  readonly #cursor: number;
  #bytes = 0;
  /** Number of the first undelivered record. */
  #first: number;
  /** Read position of `next`: a segment and an offset in it. */
  #reading: { segment: Segment | undefined; offset: number; number: number } = {
    segment: undefined,
    offset: 0,
    number: 1,
  };

  private constructor(id: string, folder: string, { maxBytes }: SpoolOptions, unlock: () => void) {
    this.#id = id;
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#segmentBytes = Math.min(LARGEST_SEGMENT, Math.ceil(maxBytes / SEGMENTS));
    this.#unlock = unlock;
    this.#cursor = openSync(join(folder, "delivered"), constants.O_RDWR | constants.O_CREAT, 0o600);
    const names = readdirSync(folder).sort();
    this.#segments = names.flatMap((name) => {
      const first = firstOf(name);
      return first === undefined ? [] : [Segment.open(folder, first)];
    });
    this.damagedBytes = this.#segments.reduce((sum, segment) => sum + segment.damagedBytes, 0);
    this.#bytes = this.#segments.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#first = Math.max(this.#readCursor(), this.#segments[0]?.first ?? 1);
    this.#writeCursor(); // later ones then need no room on the disk
    this.#prune();
    this.rewind();
  }

  /** Opens the spool, creating its folder; throws `SinkError` if that fails or another process uses it. */
  static async open(id: string, folder: string, options: SpoolOptions): Promise<Spool> {
    let unlock: (() => void) | undefined;
    try {
      await makeFolder(folder);
      unlock = lockSpool(id, join(folder, "lock"));
      return new Spool(id, folder, options, unlock);
    } catch (cause) {
      unlock?.();
      if (cause instanceof SinkError) throw cause;
      throw new SinkError("SINK_OPEN", `${id}: the spool ${folder} cannot be opened: ${diskReason(cause)}`, {
        cause,
      });
    }
  }

  /** Number of the first undelivered record. */
  get first(): number {
    return this.#first;
  }

  /** Number the next appended record will get. */
  get end(): number {
    return Math.max(this.#segments.at(-1)?.end ?? 1, this.#first);
  }

  /** Number of the record `next` will return. */
  get position(): number {
    return Math.max(this.#reading.number, this.#first);
  }

  /** Whether a record fits. One larger than the whole spool fits once all others are delivered. */
  hasRoom(record: Uint8Array): boolean {
    return this.#first === this.end || this.#bytes + Segment.sizeOf(record) <= this.#maxBytes;
  }

  /** Stores a record and returns its number. Throws `SinkError` if writing fails. */
  append(record: Uint8Array): number {
    try {
      try {
        return this.#append(record);
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        this.#prune(0); // a last segment, delivered but kept
        return this.#append(record);
      }
    } catch (cause) {
      throw new SinkError(
        "SINK_WRITE",
        `${this.#id}: the spool ${this.#folder} cannot be written: ${diskReason(cause)}`,
        { cause },
      );
    }
  }

  #append(record: Uint8Array): number {
    let last = this.#segments.at(-1);
    // After a power failure, the cursor may be ahead of the last segment; delivered numbers must not be reused.
    if (!last || last.bytes >= this.#segmentBytes || last.end < this.#first) {
      last = Segment.create(this.#folder, this.end);
      this.#segments.push(last);
    }
    last.append(record);
    this.#bytes += Segment.sizeOf(record);
    return last.end - 1;
  }

  /** The next record in order; undefined once all have been read. */
  next(): SpoolRecord | undefined {
    if (!this.#reading.segment) this.#seek(this.#reading.number);
    const at = this.#reading;
    for (;;) {
      if (!at.segment) return undefined;
      if (at.number < at.segment.end) {
        at.number = Math.max(at.number, at.segment.first); // numbers lost to damage
        const { record: bytes, next } = at.segment.read(at.offset);
        at.offset = next;
        const number = at.number++;
        if (bytes) return { number, bytes };
      } else {
        const following = this.#segments[this.#segments.indexOf(at.segment) + 1];
        if (!following) return undefined;
        Object.assign(at, { segment: following, offset: 0, number: following.first });
      }
    }
  }

  /** Moves `next` past the newest record, which the caller still has in memory. */
  skip(): void {
    const segment = this.#segments.at(-1);
    if (segment) this.#reading = { segment, offset: segment.bytes, number: segment.end };
  }

  /** Moves `next` back to the first undelivered record. */
  rewind(): void {
    this.#seek(this.#first);
  }

  #seek(number: number): void {
    const segment = this.#segments.find(({ end }) => end > number);
    const at = { segment, offset: 0, number: segment?.first ?? number };
    for (; segment && at.number < number; at.number++) at.offset = segment.read(at.offset).next;
    this.#reading = at;
  }

  /** Records on disk that all records before `number` are delivered, and deletes segments without others. */
  delivered(number: number): void {
    if (number <= this.#first) return;
    this.#first = number;
    this.#writeCursor();
    this.#prune();
  }

  /** Drops the oldest segment. Returns the number of the first remaining record. */
  dropOldest(): number {
    const oldest = this.#segments[0];
    if (oldest) this.delivered(oldest.end);
    this.#prune(0);
    return this.#first;
  }

  close(): void {
    this.#prune(0);
    for (const segment of this.#segments) segment.close();
    closeSync(this.#cursor);
    this.#unlock();
  }

  /**
   * Deletes fully delivered segments, except a last one that is not full, or each event would create a file. The next
   * number survives in the cursor.
   */
  #prune(keep = 1): void {
    for (let oldest = this.#segments[0]; oldest && oldest.end <= this.#first; oldest = this.#segments[0]) {
      if (this.#segments.length <= keep && oldest.bytes < this.#segmentBytes) return;
      this.#segments.shift();
      this.#bytes -= oldest.bytes;
      oldest.remove();
      if (this.#reading.segment !== oldest) continue;
      this.#reading = { segment: undefined, offset: 0, number: Math.max(this.#reading.number, this.#first) };
    }
  }

  #writeCursor(): void {
    const bytes = Buffer.alloc(12);
    bytes.writeBigUInt64LE(BigInt(this.#first), 0);
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 8)), 8);
    writeSync(this.#cursor, bytes, 0, 12, 0);
  }

  /** Reads what an earlier process delivered; if unknown, everything counts as undelivered. */
  #readCursor(): number {
    const bytes = Buffer.alloc(12);
    if (readSync(this.#cursor, bytes, 0, 12, 0) < 12) return 1;
    return crc32(bytes.subarray(0, 8)) === bytes.readUInt32LE(8) ? Number(bytes.readBigUInt64LE(0)) : 1;
  }
}
