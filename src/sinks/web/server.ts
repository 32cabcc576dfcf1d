import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { type WebSocket, WebSocketServer } from "ws";
import { SinkError } from "../../errors.js";
import { hostPort, listenReason } from "../../listening.js";
import { Access, hostAllowed, originAllowed } from "./access.js";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ServerOptions {
  /** The sink's id, for errors. */
  readonly id: string;
  readonly listen: Address;
  /** Asked of everybody, where there is one. */
  readonly token: string | undefined;
  /** Names besides its own addresses under which the page may be asked for. */
  readonly hosts: readonly string[];
  /** Called with each page that comes. */
  readonly opened: (socket: WebSocket) => void;
  /** Pages now. */
  readonly pages: () => number;
}

const FOLDER = new URL("../../web/", import.meta.url);
const FILES: Readonly<Record<string, { readonly name: string; readonly type: string }>> = {
  "/": { name: "index.html", type: "text/html; charset=utf-8" },
  "/app.js": { name: "app.js", type: "text/javascript; charset=utf-8" },
  "/app.css": { name: "app.css", type: "text/css; charset=utf-8" },
  "/icon.svg": { name: "icon.svg", type: "image/svg+xml" },
};
const MAX_PAGES = 64;
/** A page says little: whether it watches, and what it has drawn. */
const MAX_MESSAGE = 1024;

/** Serves the page, and its WebSocket at `/stream`, to those who may see them. */
export class PageServer {
  readonly #options: ServerOptions;
  readonly #access: Access;
  readonly #files: ReadonlyMap<string, Buffer>;
  readonly #http: Server;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE,
    perMessageDeflate: false,
  });
  #port = 0;

  private constructor(options: ServerOptions, files: ReadonlyMap<string, Buffer>) {
    this.#options = options;
    this.#access = new Access(options.token);
    this.#files = files;
    this.#http = createServer((request, response) => void this.#answer(request, response));
    this.#http.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      this.#upgrade(request, socket, head),
    );
  }

  /** Listens. Throws `SinkError` where the address cannot be had or the page was not built. */
  static async open(options: ServerOptions): Promise<PageServer> {
    const { id } = options;
    const files = new Map<string, Buffer>();
    for (const [path, { name }] of Object.entries(FILES))
      files.set(
        path,
        await readFile(new URL(name, FOLDER)).catch((cause: unknown) => {
          const folder = fileURLToPath(FOLDER);
          throw new SinkError("SINK_OPEN", `${id}: the page is not in ${folder}; run npm run build`, {
            cause,
          });
        }),
      );
    const server = new PageServer(options, files);
    await server.#listen();
    return server;
  }

  /** Where a browser on this machine finds the page. */
  get url(): string {
    const { host } = this.#options.listen;
    const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
    return `http://${hostPort(name, this.#port)}/`;
  }

  /** Takes no more pages and ends the connections there are. */
  async close(): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    await new Promise<void>((resolve) => {
      this.#http.close(() => resolve());
      this.#http.closeAllConnections();
    });
  }

  #listen(): Promise<void> {
    const { id, listen } = this.#options;
    return new Promise((resolve, reject) => {
      this.#http.once("error", (cause: NodeJS.ErrnoException) => {
        const where = hostPort(listen.host, listen.port);
        const message = `${id}: ${where} cannot be listened on: ${listenReason(cause)}`;
        reject(new SinkError("SINK_OPEN", message, { cause }));
      });
      this.#http.listen({ host: listen.host, port: listen.port }, () => {
        this.#port = (this.#http.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { host } = request.headers;
    secure(response, host);
    if (!hostAllowed(host, this.#options.hosts))
      return end(response, 421, "this server does not go by that name; see `hosts` in the sink's options");
    const path = request.url?.split("?")[0] ?? "/";
    if (path === "/session") return this.#session(request, response);
    const file = FILES[path];
    const body = this.#files.get(path);
    if (!file || !body) return end(response, 404, "not here");
    if (request.method !== "GET" && request.method !== "HEAD") return end(response, 405, "GET only");
    response.setHeader("Content-Type", file.type);
    response.setHeader("Content-Length", body.length);
    response.end(request.method === "HEAD" ? undefined : body);
  }

  /** GET: whether this browser is signed in. POST with the token as its body: signs it in. */
  async #session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers } = request;
    if (!originAllowed(headers.origin, headers.host)) return end(response, 403, "not from another page");
    if (request.method === "GET")
      return end(response, this.#access.allows(headers.cookie, this.#port, Date.now()) ? 204 : 401, "");
    if (request.method !== "POST") return end(response, 405, "GET or POST");
    const token = await bodyOf(request);
    if (token === undefined || !this.#access.tokenIs(token.trim())) return end(response, 401, "wrong token");
    const cookie = [
      `${this.#access.cookieName(this.#port)}=${this.#access.issue(Date.now())}`,
      "HttpOnly",
      "SameSite=Strict",
      "Path=/",
      ...(headers.origin?.startsWith("https:") ? ["Secure"] : []),
    ];
    response.setHeader("Set-Cookie", cookie.join("; "));
    end(response, 204, "");
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const { host, origin, cookie } = request.headers;
    const refuse = (status: string) =>
      // Not only our half: `http` knows nothing of upgraded connections any more and would wait for them at the end.
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`, () =>
        socket.destroy(),
      );
    if (!hostAllowed(host, this.#options.hosts)) return void refuse("421 Misdirected Request");
    if (!originAllowed(origin, host)) return void refuse("403 Forbidden");
    if (request.url !== "/stream") return void refuse("404 Not Found");
    if (!this.#access.allows(cookie, this.#port, Date.now())) return void refuse("401 Unauthorized");
    if (this.#options.pages() >= MAX_PAGES) return void refuse("503 Service Unavailable");
    this.#sockets.handleUpgrade(request, socket, head, (client) => this.#options.opened(client));
  }
}

/** The headers of every answer: nothing but our own files, no frame around us, no reader elsewhere. */
function secure(response: ServerResponse, host: string | undefined): void {
  // Older Safari does not count WebSockets as 'self'. `host` is checked before a page is sent.
  const sockets = /^[\w.:[\]-]+$/.test(host ?? "") ? ` ws://${host} wss://${host}` : "";
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self'${sockets}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ];
  response.setHeader("Content-Security-Policy", policy.join("; "));
  response.setHeader("Cross-Origin-Opener-Policy", "same-origin");
  response.setHeader("Cross-Origin-Resource-Policy", "same-origin");
  response.setHeader("Permissions-Policy", "camera=(), microphone=(), geolocation=()");
  response.setHeader("Referrer-Policy", "no-referrer");
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.setHeader("X-Frame-Options", "DENY");
  response.setHeader("Cache-Control", "no-store");
}

function end(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  if (text) response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(text ? `${text}\n` : undefined);
}

/** A short body, or nothing where it is longer or breaks off. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  let text = "";
  try {
    for await (const chunk of request) {
      text += String(chunk);
      if (text.length > MAX_MESSAGE) return undefined;
    }
  } catch {
    return undefined;
  }
  return text;
}
