import { constants, fsyncSync, writeSync } from "node:fs";
import { type FileHandle, open, truncate } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { diskReason, makeFolder } from "../disk.js";
import { SinkError } from "../errors.js";
import { renameOver } from "../replace-file.js";

export interface LineFileOptions {
  readonly fsync: "never" | "interval" | "always";
  readonly maxBytes?: number;
  readonly maxAgeMs?: number;
}

const FSYNC_EVERY_MS = 1000;
const TAIL = 64 * 1024;

/** A file of complete lines, each appended with one `write(2)`. */
export class LineFile {
  readonly #id: string;
  readonly #path: string;
  readonly #options: LineFileOptions;
  #file: FileHandle;
  #bytes: number;
  #openedMs = Date.now();
  /** Set while lines wait to be synced. */
  #sync: NodeJS.Timeout | undefined;
  /** Why a sync between two lines failed. */
  #broken: SinkError | undefined;

  private constructor(id: string, path: string, options: LineFileOptions, file: FileHandle, bytes: number) {
    this.#id = id;
    this.#path = path;
    this.#options = options;
    this.#file = file;
    this.#bytes = bytes;
  }

  /** Opens the file for appending, creates its folder, and removes an incomplete last line left by an earlier run. */
  static async open(id: string, path: string, options: LineFileOptions): Promise<LineFile> {
    try {
      await makeFolder(dirname(path));
      const { file, bytes, isFile } = await openAppending(path);
      const { fsync } = options;
      // A pipe or a device is never renamed.
      return new LineFile(id, path, isFile ? options : { fsync }, file, bytes);
    } catch (cause) {
      throw new SinkError("SINK_OPEN", `${id}: ${path} cannot be written: ${diskReason(cause)}`, { cause });
    }
  }

  /** Writes one line, including its newline. Throws `SinkError` if that fails; the file then still ends with a complete line. */
  append(line: Uint8Array): void | Promise<void> {
    if (this.#broken) throw this.#broken;
    if (this.#full(line.length)) return this.#rotate().then(() => this.#write(line));
    this.#write(line);
  }

  async close(): Promise<void> {
    clearTimeout(this.#sync);
    this.#sync = undefined;
    if (this.#options.fsync !== "never") await this.#file.sync();
    await this.#file.close();
    if (this.#broken) throw this.#broken;
  }

  // Synchronous on purpose: the system has the complete line before the next event is processed.
  #write(bytes: Uint8Array): void {
    let written = 0;
    try {
      written = writeSync(this.#file.fd, bytes);
      if (written < bytes.length) throw Object.assign(new Error("no space left"), { code: "ENOSPC" });
    } catch (cause) {
      throw this.#error(cause);
    } finally {
      if (written > 0 && written < bytes.length)
        void cut(this.#file, this.#path, this.#bytes).catch(() => {});
    }
    this.#bytes += bytes.length;
    if (this.#options.fsync === "always") this.#syncNow();
    if (this.#options.fsync === "interval")
      this.#sync ??= setTimeout(() => this.#syncLate(), FSYNC_EVERY_MS).unref();
  }

  #syncNow(): void {
    try {
      fsyncSync(this.#file.fd);
    } catch (cause) {
      throw this.#error(cause);
    }
  }

  /** The next line or `close` reports a failure. */
  #syncLate(): void {
    this.#sync = undefined;
    try {
      this.#syncNow();
    } catch (error) {
      this.#broken = error as SinkError;
    }
  }

  #error(cause: unknown): SinkError {
    const why = `${this.#id}: ${this.#path} cannot be written: ${diskReason(cause)}`;
    return new SinkError("SINK_WRITE", why, { cause });
  }

  #full(more: number): boolean {
    const { maxBytes, maxAgeMs } = this.#options;
    if (this.#bytes === 0) return false;
    return (
      (maxBytes !== undefined && this.#bytes + more > maxBytes) ||
      (maxAgeMs !== undefined && Date.now() - this.#openedMs >= maxAgeMs)
    );
  }

  async #rotate(): Promise<void> {
    try {
      await this.close();
      await renameOver(this.#path, await freeName(this.#path));
      const { file, bytes } = await openAppending(this.#path);
      this.#file = file;
      this.#bytes = bytes;
      this.#openedMs = Date.now();
    } catch (cause) {
      throw new SinkError(
        "SINK_ROTATE",
        `${this.#id}: ${this.#path} cannot be rotated: ${diskReason(cause)}`,
        {
          cause,
        },
      );
    }
  }
}

async function openAppending(path: string): Promise<{ file: FileHandle; bytes: number; isFile: boolean }> {
  const file = await open(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o644);
  try {
    const info = await file.stat();
    const isFile = info.isFile();
    return { file, bytes: isFile ? await repair(file, path, info.size) : 0, isFile };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/**
 * Makes the file end with a complete line: terminates a last line that is complete JSON, removes one that is not.
 * Returns the new size.
 */
async function repair(file: FileHandle, path: string, size: number): Promise<number> {
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    const last = buffer.subarray(0, bytesRead).lastIndexOf(0x0a);
    if (last >= 0 || start === 0) {
      const whole = start + last + 1;
      if (whole === size) return size;
      if (end === size && isJson(buffer.subarray(last + 1, bytesRead))) {
        await file.appendFile("\n");
        return size + 1;
      }
      await cut(file, path, whole);
      return whole;
    }
    end = start;
  }
  return 0;
}

/** Uses its own handle, since Windows cannot truncate through one opened for appending. */
async function cut(file: FileHandle, path: string, size: number): Promise<void> {
  if (process.platform === "win32") await truncate(path, size);
  else await file.truncate(size);
}

function isJson(bytes: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(bytes).toString("utf8"));
    return true;
  } catch {
    return false;
  }
}

async function freeName(path: string): Promise<string> {
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  const time = new Date().toISOString().replace(/[:.]/g, "-");
  for (let n = 0; ; n++) {
    const name = `${stem}.${time}${n === 0 ? "" : `-${n}`}${extension}`;
    const taken = await open(name, "r").then(
      async (file) => {
        await file.close();
        return true;
      },
      () => false,
    );
    if (!taken) return name;
  }
}
