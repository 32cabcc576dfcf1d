import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How much is read before anyone has said where it should go. */
const AHEAD_BYTES = 65536;
const KEY_BYTES = 16;

/**
 * The reading end of a pipe that a child process writes to. The system puts the bytes where they are needed, in a
 * frame's slot: the pipes that `spawn` makes allocate 64 KiB for each read, and collecting that was a third of the main
 * thread's time. Only what arrives while nothing is requested, the start of a frame, is copied.
 */
export class BytePipe {
  /** The child's end for its `stdio`; destroy it once the child has been spawned. */
  readonly childEnd: Socket;
  readonly #socket: Socket;
  readonly #ahead: Ahead;
  #target: Uint8Array | undefined;
  #missing = 0;
  #at = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket, childEnd: Socket, ahead: Ahead) {
    this.#socket = socket;
    this.childEnd = childEnd;
    this.#ahead = ahead;
  }

  static async open(): Promise<BytePipe> {
    const server = createServer();
    server.listen(addressOf(`ekspresi-${randomBytes(KEY_BYTES).toString("hex")}`));
    await once(server, "listening");
    try {
      return await BytePipe.#connect(server);
    } finally {
      server.close();
    }
  }

  static async #connect(server: Server): Promise<BytePipe> {
    const ahead: Ahead = { bytes: Buffer.allocUnsafeSlow(AHEAD_BYTES), from: 0, until: 0 };
    const key = randomBytes(KEY_BYTES);
    let pipe: BytePipe | undefined;
    const onread = {
      buffer: () => (pipe ? pipe.#place() : ahead.bytes),
      // Nothing arrives before a child has the other end, and that is only after there is a pipe.
      callback: (count: number, place: Uint8Array) => !!pipe && pipe.#received(count, place),
    };
    const socket = connect({ path: server.address() as string, onread });
    const failed = once(socket, "error").then(([error]) => Promise.reject(error as Error));
    socket.write(key);
    const opened = new BytePipe(socket, await Promise.race([theOneWith(key, server), failed]), ahead);
    pipe = opened;
    for (const event of ["end", "close", "error"]) socket.once(event, () => opened.#end());
    return opened;
  }

  /** Fills `target`. False if the pipe ended before. One call at a time. */
  read(target: Uint8Array): Promise<boolean> {
    return this.#take(target.length, target);
  }

  /** Discards `bytes` bytes. False if the pipe ended before. One call at a time. */
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
    this.#takeAhead();
    if (this.#missing > 0 && !this.#ended)
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#socket.resume();
      });
    this.#target = undefined;
    return this.#missing === 0;
  }

  /** Where the next bytes go. */
  #place(): Uint8Array {
    return this.#missing > 0 && this.#target ? this.#target.subarray(this.#at) : this.#ahead.bytes;
  }

  /** Whether to continue reading. */
  #received(count: number, place: Uint8Array): boolean {
    if (place === this.#ahead.bytes) {
      this.#ahead.from = 0;
      this.#ahead.until = count;
      this.#takeAhead();
    } else this.#took(count);
    if (this.#missing > 0) return true;
    this.#wake?.();
    return false;
  }

  #takeAhead(): void {
    const { bytes, from, until } = this.#ahead;
    const count = Math.min(this.#missing, until - from);
    if (count === 0) return;
    this.#target?.set(bytes.subarray(from, from + count), this.#at);
    this.#ahead.from += count;
    this.#took(count);
  }

  #took(count: number): void {
    this.#at += count;
    this.#missing -= count;
  }

  #end(): void {
    this.#ended = true;
    this.#wake?.();
  }
}

interface Ahead {
  readonly bytes: Buffer;
  /** The part of it that has not been consumed yet. */
  from: number;
  until: number;
}

/** Longest socket path that macOS accepts, in bytes. */
const MOST_PATH_BYTES = 103;

/** The address for a name that only we know; not a file if the system has addresses that are not files. */
export function addressOf(name: string, platform = process.platform, folder = tmpdir()): string {
  if (platform === "linux") return `\0${name}`;
  if (platform === "win32") return `\\\\.\\pipe\\${name}`;
  const path = join(folder, name);
  return Buffer.byteLength(path) > MOST_PATH_BYTES ? join("/tmp", name) : path;
}

/**
 * The connection that presents the key. Another program on this machine might connect first, and would get the frames;
 * such connections are closed.
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
