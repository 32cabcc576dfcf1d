import type { Readable } from "node:stream";

/** Reads exact numbers of bytes from a pipe. Nothing is read ahead of need but what the pipe has already given. */
export class ByteReader {
  readonly #stream: Readable;
  #chunk: Buffer | undefined;
  #at = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(stream: Readable) {
    this.#stream = stream;
    const wake = () => {
      this.#wake?.();
      this.#wake = undefined;
    };
    const end = () => {
      this.#ended = true;
      wake();
    };
    stream.on("readable", wake);
    stream.once("end", end);
    stream.once("close", end);
    stream.once("error", end);
  }

  /** Fills `target`. False when the pipe ended before. */
  read(target: Uint8Array): Promise<boolean> {
    return this.#take(target.length, target);
  }

  /** Throws `bytes` away. False when the pipe ended before. */
  skip(bytes: number): Promise<boolean> {
    return this.#take(bytes, undefined);
  }

  async #take(bytes: number, target: Uint8Array | undefined): Promise<boolean> {
    let done = 0;
    while (done < bytes) {
      const chunk = this.#chunk ?? (this.#stream.read() as Buffer | null);
      if (!chunk) {
        if (this.#ended) return false;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      const count = Math.min(bytes - done, chunk.length - this.#at);
      target?.set(chunk.subarray(this.#at, this.#at + count), done);
      done += count;
      this.#at += count;
      this.#chunk = this.#at < chunk.length ? chunk : undefined;
      if (!this.#chunk) this.#at = 0;
    }
    return true;
  }
}
