import { type PageMessage, PROTOCOL, type ServerMessage, unpackPicture } from "../sinks/web/protocol.js";
import { byId } from "./element.js";

type Picture = ReturnType<typeof unpackPicture>;
export type ConnectionState = "connecting" | "live" | "reconnecting" | "ended";

export interface Listener {
  message(message: ServerMessage): void;
  picture(picture: Picture): void;
  state(state: ConnectionState): void;
}

const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 5000;
/** The server says something every second; silence for so long means that the line is dead. */
const SILENCE_MS = 6000;

/** The line to the server: opened again for ever, signing in where that is needed. */
export class Connection {
  readonly #listener: Listener;
  #socket: WebSocket | undefined;
  #waitMs = FIRST_WAIT_MS;
  #heardMs = 0;
  #wasOpen = false;
  #ended = false;
  #pictures = true;
  #token = tokenInAddress();

  constructor(listener: Listener) {
    this.#listener = listener;
    listener.state("connecting");
    void this.#open();
    setInterval(() => {
      if (this.#socket?.readyState === WebSocket.OPEN && performance.now() - this.#heardMs > SILENCE_MS)
        this.#socket.close();
    }, 1000);
    addEventListener("online", () => this.#again(0));
  }

  /** Whether pictures are wanted. */
  watch(pictures: boolean): void {
    this.#pictures = pictures;
    this.#say({ type: "watch", pictures });
  }

  /** A picture of this camera has been drawn. */
  drawn(camera: number): void {
    this.#say({ type: "drawn", camera });
  }

  #say(message: PageMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #open(): Promise<void> {
    try {
      await this.#signIn();
    } catch {
      return this.#again(); // nobody there yet
    }
    const socket = new WebSocket(new URL("stream", location.href.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.#heardMs = performance.now();
      if (typeof data === "string") this.#hear(JSON.parse(data) as ServerMessage);
      else this.#listener.picture(unpackPicture(data));
    };
    socket.onclose = () => {
      if (this.#socket === socket) this.#again();
    };
  }

  #hear(message: ServerMessage): void {
    if (message.type === "hello") {
      // A newer server may have come up behind this page: then the page is not what it expects.
      if (message.protocol !== PROTOCOL) {
        location.reload();
        return;
      }
      this.#waitMs = FIRST_WAIT_MS;
      this.#wasOpen = true;
      this.#ended = false;
      this.#listener.state("live");
      this.#say({ type: "watch", pictures: this.#pictures });
    }
    if (message.type === "end") {
      this.#ended = true;
      this.#listener.state("ended");
    }
    this.#listener.message(message);
  }

  #timer: number | undefined;
  #again(waitMs = this.#waitMs): void {
    if (this.#socket && this.#socket.readyState < WebSocket.CLOSING) return;
    this.#socket = undefined;
    if (!this.#ended) this.#listener.state(this.#wasOpen ? "reconnecting" : "connecting");
    clearTimeout(this.#timer);
    // Spread, so that ten pages do not all come back in the same moment.
    this.#timer = setTimeout(() => void this.#open(), waitMs * (0.75 + Math.random() / 2));
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 1.6);
  }

  /** Resolves once the server lets this browser in. Rejects where it does not answer. */
  async #signIn(): Promise<void> {
    const { status } = await fetch("session");
    if (status !== 401) return;
    while (!(await this.#offer(this.#token))) this.#token = await askForToken(this.#token !== undefined);
    byId<HTMLDialogElement>("login").close();
  }

  async #offer(token: string | undefined): Promise<boolean> {
    if (token === undefined) return false;
    const { ok } = await fetch("session", { method: "POST", body: token });
    return ok;
  }
}

/** The token in `#token=...`, which no server and no log sees; it is taken out of the address bar. */
function tokenInAddress(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
  if (token !== undefined) history.replaceState(null, "", location.pathname);
  return token;
}

function askForToken(wasWrong: boolean): Promise<string> {
  const dialog = byId<HTMLDialogElement>("login");
  const input = byId<HTMLInputElement>("token");
  const form = dialog.querySelector("form");
  byId("login-wrong").textContent = wasWrong ? "That is not the token." : "";
  if (!dialog.open) dialog.showModal();
  input.focus();
  input.select();
  return new Promise((resolve) => {
    form?.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        resolve(input.value);
      },
      { once: true },
    );
    // Closed with Escape there would be nothing but an empty page.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
  });
}
