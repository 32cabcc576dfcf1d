import { WebSocket } from "ws";
import type { PageMessage, ServerMessage } from "./protocol.js";

/** Pictures of one camera that may be under way to a page. Two keep the line busy and the picture fresh. */
const PICTURES_UNDER_WAY = 2;
/** Bytes waiting for a page above which it gets no pictures. */
const SLOW_BYTES = 512 * 1024;
/** Bytes waiting above which it is sent away; it comes back by itself, and gets what it missed. */
const STUCK_BYTES = 8 * 2 ** 20;

/** One page. Whatever its line is like, nothing here waits for it. */
export class Viewer {
  /** Pictures it did not get because its line was full. */
  missed = 0;
  readonly #socket: WebSocket;
  /** Pictures sent and not yet drawn, by camera. */
  readonly #underWay = new Map<number, number>();
  /** It says so first: one that opens in a hidden tab gets no picture. */
  #watching = false;
  #alive = true;

  /** @param gone called once, when the page has gone */
  constructor(socket: WebSocket, gone: () => void) {
    this.#socket = socket;
    socket.on("close", gone);
    socket.on("error", () => socket.terminate());
    socket.on("pong", () => {
      this.#alive = true;
    });
    socket.on("message", (data, isBinary) => {
      if (!isBinary) this.#hear(String(data));
    });
  }

  /** True where it wants pictures at all: open, and neither paused nor hidden. */
  get watching(): boolean {
    return this.#watching && this.#socket.readyState === WebSocket.OPEN;
  }

  /** True where it could take a picture of this camera now. */
  ready(camera: number): boolean {
    return (
      this.watching &&
      (this.#underWay.get(camera) ?? 0) < PICTURES_UNDER_WAY &&
      this.#socket.bufferedAmount < SLOW_BYTES
    );
  }

  /** Sends a picture, unless its line is full by now. */
  show(camera: number, message: Uint8Array): void {
    if (!this.watching) return;
    if (!this.ready(camera)) {
      this.missed++;
      return;
    }
    this.#underWay.set(camera, (this.#underWay.get(camera) ?? 0) + 1);
    this.#socket.send(message, { binary: true });
  }

  tell(message: ServerMessage | string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    if (this.#socket.bufferedAmount > STUCK_BYTES) this.#socket.terminate();
    else this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** Sends a ping; a page that did not answer the last one has gone. */
  ping(): void {
    if (!this.#alive) {
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    this.#socket.ping();
  }

  /** Says goodbye. */
  close(): void {
    this.#socket.close(1001);
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.#socket.terminate();
  }

  #hear(text: string): void {
    let message: PageMessage;
    try {
      message = JSON.parse(text) as PageMessage;
    } catch {
      this.#socket.close(1003); // no page of ours
      return;
    }
    if (message?.type === "watch") this.#watching = message.pictures === true;
    else if (message?.type === "drawn") {
      const underWay = this.#underWay.get(message.camera) ?? 0;
      if (underWay > 0) this.#underWay.set(message.camera, underWay - 1);
    }
  }
}
