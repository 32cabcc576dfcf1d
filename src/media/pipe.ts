import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** As much as one read gives; more would leave the nearest caches. */
const BUFFER_BYTES = 65536;
const KEY_BYTES = 16;

/**
 * The reading end of a pipe whose other end a child process writes to. Every read goes through the same buffer: the
 * pipes that `spawn` makes take 64 KiB anew for each, and collecting them was a third of the main thread's time.
 * Nothing is read ahead of need but what fits the buffer.
 */
export class BytePipe {
  /** What the child gets in its `stdio`; destroy it once the child is there. */
  readonly childEnd: Socket;
  readonly #socket: Socket;
  readonly #buffer: Buffer;
  #from = 0;
  #until = 0;
  #target: Uint8Array | undefined;
  #missing = 0;
  #at = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, childEnd: Socket, buffer: Buffer) {
    this.#socket = socket;
    this.childEnd = childEnd;
    this.#buffer = buffer;
  }

  static async open(): Promise<BytePipe> {
    const server = createServer();
    server.listen(address());
    await once(server, "listening");
    try {
      return await BytePipe.#connect(server);
    } finally {
      server.close();
    }
  }

  static async #connect(server: Server): Promise<BytePipe> {
    const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    const key = randomBytes(KEY_BYTES);
    // Nothing comes before a child has got the other end, and that is after there is a pipe.
    const callback = (count: number): boolean => pipe.#received(count);
    const socket = connect({ path: server.address() as string, onread: { buffer, callback } });
    const failed = once(socket, "error").then(([error]) => Promise.reject(error as Error));
    socket.write(key);
    const pipe: BytePipe = new BytePipe(
      socket,
      await Promise.race([theOneWith(key, server), failed]),
      buffer,
    );
    for (const event of ["end", "close", "error"]) socket.once(event, () => pipe.#end());
    return pipe;
  }

  /** Fills `target`. False when the pipe ended before. One call at a time. */
  read(target: Uint8Array): Promise<boolean> {
    return this.#take(target.length, target);
  }

  /** Throws `bytes` away. False when the pipe ended before. One call at a time. */
  skip(bytes: number): Promise<boolean> {
    return this.#take(bytes, undefined);
  }

  close(): void {
    this.childEnd.destroy();
    this.#socket.destroy();
  }

  async #take(bytes: number, target: Uint8Array | undefined): Promise<boolean> {
    this.#target = target;
    this.#missing = bytes;
    this.#at = 0;
    if (this.#fill() && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#socket.resume();
      });
    this.#target = undefined;
    return this.#missing === 0;
  }

  /** Whether to go on reading. */
  #received(count: number): boolean {
    this.#from = 0;
    this.#until = count;
    if (this.#fill()) return true;
    this.#wake?.();
    return false;
  }

  /** Moves what the buffer holds to where it is wanted; whether more is. */
  #fill(): boolean {
    const count = Math.min(this.#missing, this.#until - this.#from);
    if (count > 0) {
      this.#target?.set(this.#buffer.subarray(this.#from, this.#from + count), this.#at);
      this.#from += count;
      this.#at += count;
      this.#missing -= count;
    }
    return this.#missing > 0;
  }

  #end(): void {
    this.#ended = true;
    this.#wake?.();
  }
}

/** A name that only we know and, where the system has names that are no files, no file. */
function address(): string {
  const name = `ekspresi-${randomBytes(KEY_BYTES).toString("hex")}`;
  if (process.platform === "linux") return `\0${name}`;
  return process.platform === "win32" ? `\\\\.\\pipe\\${name}` : join(tmpdir(), name);
}

/**
 * The connection that brings the key. Another program of this machine might come first: it would get the pictures. Such
 * connections are closed.
 */
export function theOneWith(key: Buffer, server: Server): Promise<Socket> {
  const others = new Set<Socket>();
  let found: Socket | undefined;
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.on("connection", (socket) => {
      if (found) return void socket.destroy();
      others.add(socket);
      socket.on("error", () => socket.destroy());
      socket.once("data", (data: Buffer) => {
        socket.pause();
        if (found || !data.equals(key)) return void socket.destroy();
        found = socket;
        others.delete(socket);
        for (const other of others) other.destroy();
        resolve(socket);
      });
    });
  });
}
