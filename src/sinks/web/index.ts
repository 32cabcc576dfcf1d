import { type Static, Type } from "typebox";
import { ConfigError } from "../../errors.js";
import type { EmotionEvent } from "../../events/event.js";
import type { FaceFrame } from "../../media/frame.js";
import { complaint, sink } from "../../pipeline/component.js";
import { Duration } from "../../pipeline/units.js";
import { isLoopback } from "./access.js";
import type { Address } from "./server.js";

const LISTEN = "127.0.0.1:8088";

const Options = Type.Object({
  listen: Type.Optional(
    Type.String({
      default: LISTEN,
      pattern: "^(\\[[0-9a-fA-F:.]+\\]|[^\\s:/]+):\\d{1,5}$",
      description:
        "Address and port; port 0 means any that is free. Any address but a loopback one needs `token`.",
      examples: ["127.0.0.1:8088", "0.0.0.0:8088", "[::1]:0"],
    }),
  ),
  token: Type.Optional(
    Type.String({
      minLength: 16,
      description:
        "What a browser must know to see the page: open `http://<address>/#token=<token>`, or type it in. At least 16 characters, no white space around them; in the link a `%` is written `%25`.",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of pipeline files
      examples: ["${WEB_TOKEN}"],
    }),
  ),
  hosts: Type.Optional(
    Type.Array(Type.String({ minLength: 1, description: "A name, without port." }), {
      description:
        "Names under which browsers may ask for the page, besides bare addresses, `localhost` and the machine's own name. Needed behind a proxy.",
    }),
  ),
  fps: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 60,
      default: 12,
      description: "Pictures sent per second and camera, at most. None are made while nobody looks.",
    }),
  ),
  maxSide: Type.Optional(
    Type.Integer({
      minimum: 64,
      maximum: 4096,
      default: 960,
      description:
        "Longest side of the pictures sent, pixels. Frames are divided by a whole number until they fit.",
    }),
  ),
  quality: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, default: 75, description: "JPEG quality of the pictures." }),
  ),
  history: Type.Optional(
    Duration({
      default: "5m",
      description:
        "What a page that comes later still sees of timelines and events, in media time; older is forgotten.",
    }),
  ),
});

export type WebOptions = Static<typeof Options>;

/** Shows the run in a browser. */
export const web = sink({
  type: "web",
  summary: "Shows the run in a browser: video with boxes, timelines, events.",
  description: [
    "Serves one page that reconnects by itself. Pictures are made only while a page looks, sent as JPEG together with the boxes of the same frame, and kept nowhere; behind a `blur` operator they are blurred. A slow browser gets fewer pictures; neither the run nor other browsers wait for it.",
    "Without encryption: where the network is not trusted put a proxy with TLS before it, and name the proxy in `hosts`.",
    "`pipeline run ... --web [host:port]` adds this sink to any pipeline.",
  ].join("\n\n"),
  takes: "faces",
  also: "events",
  colour: true,
  options: Options,
  example: "- { type: web, listen: 127.0.0.1:8088 }",
  check: (options) =>
    complaint("listen", () => addressOf(options)) ?? complaint("token", () => tokenOf(options)),
  build: async (options, context) => {
    const { hosts = [] } = options;
    const address = addressOf(options);
    const token = tokenOf(options);
    // Only runs that have this sink load the server and the encoder.
    const [{ Broadcast }, { PageServer }] = await Promise.all([
      import("./broadcast.js"),
      import("./server.js"),
    ]);
    const broadcast = new Broadcast(options, context);
    const server = await PageServer.open({
      id: context.id,
      listen: address,
      token,
      hosts: hosts.map((name) => name.toLowerCase()),
      opened: (socket) => broadcast.add(socket),
      pages: () => broadcast.viewers,
    }).catch(async (error: unknown) => {
      await broadcast.close();
      throw error;
    });
    context.log.info(`${context.id}: ${server.url}`, { url: server.url });
    return {
      write: (item: FaceFrame | EmotionEvent) => {
        if ("frame" in item) broadcast.faces(item);
        else broadcast.event(item);
      },
      close: async () => {
        await broadcast.close();
        await server.close();
      },
    };
  },
});

/** What is asked of a browser. Throws `ConfigError` where it has spaces around it, which do not survive typing. */
function tokenOf({ token }: WebOptions): string | undefined {
  if (token === token?.trim()) return token;
  throw new ConfigError("WEB_TOKEN", "a token cannot begin or end with white space; take it away");
}

/** Where to listen. Throws `ConfigError` where that cannot be, or not without a token. */
function addressOf({ listen = LISTEN, token }: WebOptions): Address {
  const at = listen.lastIndexOf(":");
  const host = listen.slice(0, at).replace(/^\[|\]$/g, "");
  const port = Number(listen.slice(at + 1));
  if (port > 65535) throw new ConfigError("WEB_LISTEN", `${listen}: a port is at most 65535`);
  if (!isLoopback(host) && token === undefined)
    throw new ConfigError(
      "WEB_TOKEN",
      `${listen} can be reached from other machines, so the page needs a token; add e.g. token: "\${WEB_TOKEN}", or listen on 127.0.0.1`,
    );
  return { host, port };
}
