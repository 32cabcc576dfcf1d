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
/** The server sends something every second; longer silence means that the connection is dead. */
const SILENCE_MS = 6000;

/** The connection to the server: reconnects forever, signing in if needed. One attempt at a time. */
export class Connection {
  readonly #listener: Listener;
  #socket: WebSocket | undefined;
  #waitMs = FIRST_WAIT_MS;
  #heardMs = 0;
  #opening = false;
  #wasOpen = false;
  #ended = false;
  #pictures: boolean;
  #token = tokenInAddress();

  /** @param pictures whether pictures are wanted from the start */
  constructor(listener: Listener, pictures: boolean) {
    this.#listener = listener;
    this.#pictures = pictures;
    listener.state("connecting");
    void this.#open();
    setInterval(() => {
      if (performance.now() - this.#heardMs > SILENCE_MS) this.reopen();
    }, 1000);
    addEventListener("online", () => this.#again(0));
    // The link with the token, opened where the page already asks for it, does not load the page again.
    addEventListener("hashchange", () => {
      if (location.hash.startsWith("#token=")) location.reload();
    });
  }

  /** Sets whether pictures are wanted. */
  watch(pictures: boolean): void {
    this.#pictures = pictures;
    this.#say({ type: "watch", pictures });
  }

  /** Reports that a picture of this camera has been drawn. */
  drawn(camera: number): void {
    this.#say({ type: "drawn", camera });
  }

  /** Drops the connection, so that it comes back with a new hello. */
  reopen(): void {
    this.#socket?.close();
  }

  #say(message: PageMessage): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(message));
  }

  async #open(): Promise<void> {
    this.#opening = true;
    const allowed = await this.#signIn().then(
      () => true,
      () => false, // server not available yet
    );
    this.#opening = false;
    if (!allowed) return this.#again();
    const socket = new WebSocket(new URL("stream", location.href.replace(/^http/, "ws")));
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#heardMs = performance.now();
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (this.#socket !== socket) return;
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
      // A newer server may have started in the meantime, which expects a newer page.
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
    if (this.#opening || (this.#socket && this.#socket.readyState < WebSocket.CLOSING)) return;
    this.#socket = undefined;
    if (!this.#ended) this.#listener.state(this.#wasOpen ? "reconnecting" : "connecting");
    clearTimeout(this.#timer);
    // Randomised, so that pages do not all reconnect at the same moment.
    this.#timer = setTimeout(() => void this.#open(), waitMs * (0.75 + Math.random() / 2));
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 1.6);
  }

  /** Resolves once the server lets this browser in. Rejects if it does not answer. */
  async #signIn(): Promise<void> {
    const { status } = await ask();
    if (status !== 401) return;
    while (!(await this.#offer(this.#token))) this.#token = await askForToken(this.#token !== undefined);
    byId<HTMLDialogElement>("login").close();
  }

  async #offer(token: string | undefined): Promise<boolean> {
    if (token === undefined) return false;
    const { ok } = await ask({ method: "POST", body: token });
    return ok;
  }
}

/** Rejects after a timeout: on a dead connection, a request would block for minutes. */
function ask(what: RequestInit = {}): Promise<Response> {
  return fetch("session", { ...what, signal: AbortSignal.timeout(SILENCE_MS) });
}

/** The token in `#token=...`, which never reaches servers or logs; removes it from the address bar. */
function tokenInAddress(): string | undefined {
  const [, written] = /^#token=(.*)/.exec(location.hash) ?? [];
  if (written === undefined) return undefined;
  history.replaceState(null, "", location.pathname);
  try {
    // Decodes only valid escapes: a token may be written literally, with `+`, `&` and `%`.
    return decodeURIComponent(written.replace(/%(?![\da-f]{2})/gi, "%25"));
  } catch {
    return written; // escapes that are not UTF-8
  }
}

function askForToken(wasWrong: boolean): Promise<string> {
  const dialog = byId<HTMLDialogElement>("login");
  const input = byId<HTMLInputElement>("token");
  byId("login-wrong").textContent = wasWrong ? "Wrong token." : "";
  if (!dialog.open) dialog.showModal();
  input.focus();
  input.select();
  // Escape closes the dialog, which cannot be prevented in all browsers and would leave an empty page.
  dialog.onclose = () => dialog.showModal();
  return new Promise((resolve) => {
    dialog.onsubmit = (event) => {
      event.preventDefault();
      dialog.onclose = null;
      resolve(input.value);
    };
  });
}
