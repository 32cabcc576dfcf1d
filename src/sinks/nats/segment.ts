import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { isHeld } from "../../replace-file.js";

/** Size of a record's header: its length and the CRC-32 of its bytes, little-endian. */
const HEAD = 8;
const CHUNK = 256 * 1024;
const EXTENSION = ".spool";

/** The number of a segment's first record, from its file name; undefined for other files. */
export function firstOf(name: string): number | undefined {
  const digits = /^(\d{16})\.spool$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** An append-only file of records, read by offset. */
export class Segment {
  /** Number of the first record. */
  readonly first: number;
  readonly path: string;
  /** Number of records. */
  count = 0;
  /** Bytes of complete records. */
  bytes = 0;
  /** Bytes of records with a wrong checksum, and bytes truncated at the end. */
  damagedBytes = 0;
  readonly #file: number;
  #chunk = Buffer.alloc(0);
  #chunkAt = 0;

  private constructor(folder: string, first: number, flags: number) {
    this.first = first;
    this.path = join(folder, `${String(first).padStart(16, "0")}${EXTENSION}`);
    this.#file = openSync(this.path, flags, 0o600);
  }

  static create(folder: string, first: number): Segment {
    return new Segment(folder, first, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC);
  }

  /** Opens an existing segment, counts its records, and truncates it after the last. */
  static open(folder: string, first: number): Segment {
    const segment = new Segment(folder, first, constants.O_RDWR);
    const size = fstatSync(segment.#file).size;
    segment.bytes = size;
    let offset = 0;
    for (let length = segment.#lengthAt(0); length !== undefined; length = segment.#lengthAt(offset)) {
      if (!segment.read(offset).record) segment.damagedBytes += HEAD + length;
      offset += HEAD + length;
      segment.count++;
    }
    segment.bytes = offset;
    segment.damagedBytes += size - offset;
    if (offset < size) segment.repair();
    return segment;
  }

  get end(): number {
    return this.first + this.count;
  }

  /** Bytes a record takes up in a segment. */
  static sizeOf(record: Uint8Array): number {
    return HEAD + record.length;
  }

  /** Appends a record with one system call. After a failure, the segment is unchanged. */
  append(record: Uint8Array): void {
    const bytes = Buffer.allocUnsafe(HEAD + record.length);
    bytes.writeUInt32LE(record.length, 0);
    bytes.writeUInt32LE(crc32(record), 4);
    bytes.set(record, HEAD);
    let written = 0;
    try {
      written = writeSync(this.#file, bytes, 0, bytes.length, this.bytes);
      if (written < bytes.length) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    } catch (error) {
      if (written > 0) this.repair();
      throw error;
    }
    this.count++;
    this.bytes += bytes.length;
  }

  /**
   * The record at an offset (undefined if its checksum is wrong), and the offset of the next one.
   */
  read(offset: number): { readonly record: Buffer | undefined; readonly next: number } {
    const length = this.#lengthAt(offset) ?? 0;
    const sum = this.#bytesAt(offset, HEAD)?.readUInt32LE(4);
    const record = this.#bytesAt(offset + HEAD, length);
    return { record: record && crc32(record) === sum ? record : undefined, next: offset + HEAD + length };
  }

  /** Truncates the segment after its last complete record. */
  repair(): void {
    ftruncateSync(this.#file, this.bytes);
    this.#chunk = Buffer.alloc(0);
  }

  close(): void {
    closeSync(this.#file);
  }

  /**
   * Deletes the file, which must be fully delivered, unless someone else has. If another program holds it, the next start
   * will delete it.
   */
  remove(): void {
    this.close();
    try {
      unlinkSync(this.path);
    } catch (error) {
      if (!isHeld(error) && (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  /** Length of the record at an offset; undefined if no complete record can start there. */
  #lengthAt(offset: number): number | undefined {
    const length = this.#bytesAt(offset, HEAD)?.readUInt32LE(0) ?? 0;
    return length > 0 && offset + HEAD + length <= this.bytes ? length : undefined;
  }

  #bytesAt(offset: number, length: number): Buffer | undefined {
    if (offset + length > this.bytes) return undefined;
    const at = offset - this.#chunkAt;
    if (at >= 0 && at + length <= this.#chunk.length) return this.#chunk.subarray(at, at + length);
    const size = Math.min(Math.max(CHUNK, length), this.bytes - offset);
    const chunk = Buffer.allocUnsafe(size);
    const read = readSync(this.#file, chunk, 0, size, offset);
    this.#chunk = chunk.subarray(0, read);
    this.#chunkAt = offset;
    return read >= length ? this.#chunk.subarray(0, length) : undefined;
  }
}
