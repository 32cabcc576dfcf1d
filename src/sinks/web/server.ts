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
  /** Required of every visitor, if set. */
  readonly token: string | undefined;
  /** Host names, in addition to its own addresses, under which the page may be requested. */
  readonly hosts: readonly string[];
  /** Called for each page that connects. */
  readonly opened: (socket: WebSocket) => void;
  /** Number of connected pages. */
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
/** Pages only send short messages: whether they watch, and what they have drawn. */
const MAX_MESSAGE = 1024;

/** Serves the page, and its WebSocket at `/stream`, to authorised visitors. */
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

  /** Starts listening. Throws `SinkError` if the address is unavailable or the page was not built. */
  static async open(options: ServerOptions): Promise<PageServer> {
    const { id } = options;
    const files = new Map<string, Buffer>();
    for (const [path, { name }] of Object.entries(FILES))
      files.set(
        path,
        await readFile(new URL(name, FOLDER)).catch((cause: unknown) => {
          const folder = fileURLToPath(FOLDER);
          throw new SinkError("SINK_OPEN", `${id}: the page is missing in ${folder}; run \`npm run build\``, {
            cause,
          });
        }),
      );
    const server = new PageServer(options, files);
    await server.#listen();
    return server;
  }

  /** The page's URL for a browser on this machine. */
  get url(): string {
    const { host } = this.#options.listen;
    const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
    return `http://${hostPort(name, this.#port)}/`;
  }

  /** Accepts no more pages and closes existing connections. */
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
        const message = `${id}: cannot listen on ${where}: ${listenReason(cause)}`;
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
      return end(response, 421, "unknown host name; add it to `hosts` in the sink's options");
    const path = request.url?.split("?")[0] ?? "/";
    if (path === "/session") return this.#session(request, response);
    const file = FILES[path];
    const body = this.#files.get(path);
    if (!file || !body) return end(response, 404, "not found");
    if (request.method !== "GET" && request.method !== "HEAD")
      return end(response, 405, "only GET is allowed");
    response.setHeader("Content-Type", file.type);
    response.setHeader("Content-Length", body.length);
    response.end(request.method === "HEAD" ? undefined : body);
  }

  /** GET: is this browser signed in? POST with the token as body: signs it in. */
  async #session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { headers } = request;
    if (!originAllowed(headers.origin, headers.host))
      return end(response, 403, "requests from other origins are not allowed");
    if (request.method === "GET")
      return end(response, this.#access.allows(headers.cookie, this.#port, Date.now()) ? 204 : 401, "");
    if (request.method !== "POST") return end(response, 405, "only GET and POST are allowed");
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
      // Close both halves: `http` no longer tracks upgraded connections and would wait for them when closing.
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

/** Security headers of every response: only our own files, no framing, no other readers. */
function secure(response: ServerResponse, host: string | undefined): void {
  // Older Safari versions do not include WebSockets in 'self'. `host` is checked before a page is sent.
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

/** A short body; undefined if it is too long or incomplete. */
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
