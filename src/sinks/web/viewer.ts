import { WebSocket } from "ws";
import type { PageMessage, ServerMessage } from "./protocol.js";

/** Pictures of one camera that may be in flight to a page. Two keep the connection busy and latency low. */
const PICTURES_UNDER_WAY = 2;
/** Number of buffered bytes above which a page gets no pictures. */
const SLOW_BYTES = 512 * 1024;
/** Number of buffered bytes above which a page is disconnected; it reconnects by itself and gets what it missed. */
const STUCK_BYTES = 8 * 2 ** 20;

/** One page. Nothing here waits for it, however slow its connection. */
export class Viewer {
  /** Pictures it missed because its connection was too slow. */
  missed = 0;
  readonly #socket: WebSocket;
  /** Pictures sent and not yet drawn, by camera. */
  readonly #underWay = new Map<number, number>();
  /** False until the page says otherwise: one opened in a hidden tab gets no pictures. */
  #watching = false;
  #alive = true;

  /** @param gone called once, when the page has disconnected */
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

  /** True if it wants pictures: open, and neither paused nor hidden. */
  get watching(): boolean {
    return this.#watching && this.#socket.readyState === WebSocket.OPEN;
  }

  /** True if it can take a picture of this camera now. */
  ready(camera: number): boolean {
    return (
      this.watching &&
      (this.#underWay.get(camera) ?? 0) < PICTURES_UNDER_WAY &&
      this.#socket.bufferedAmount < SLOW_BYTES
    );
  }

  /** Sends a picture, unless the connection has become too slow. */
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

  /** Sends a ping; disconnects a page that did not answer the last one. */
  ping(): void {
    if (!this.#alive) {
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    this.#socket.ping();
  }

  /** Closes the connection with a goodbye. */
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
      this.#socket.close(1003); // not one of our pages
      return;
    }
    if (message?.type === "watch") this.#watching = message.pictures === true;
    else if (message?.type === "drawn") {
      const underWay = this.#underWay.get(message.camera) ?? 0;
      if (underWay > 0) this.#underWay.set(message.camera, underWay - 1);
    }
  }
}
