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
        "Address and port; port 0 means any free one. Any address other than loopback needs `token`.",
      examples: ["127.0.0.1:8088", "0.0.0.0:8088", "[::1]:0"],
    }),
  ),
  token: Type.Optional(
    Type.String({
      minLength: 16,
      description:
        "Secret needed to see the page: open `http://<address>/#token=<token>`, or type it in. At least 16 characters, without leading or trailing white space; in the link, write `%` as `%25`.",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of pipeline files
      examples: ["${WEB_TOKEN}"],
    }),
  ),
  hosts: Type.Optional(
    Type.Array(Type.String({ minLength: 1, description: "A name, without port." }), {
      description:
        "Host names under which browsers may request the page, in addition to bare addresses, `localhost` and the machine's own name. Required behind a proxy.",
    }),
  ),
  fps: Type.Optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 60,
      default: 12,
      description:
        "Maximum number of frames sent per second and camera. None are encoded while nobody is watching.",
    }),
  ),
  maxSide: Type.Optional(
    Type.Integer({
      minimum: 64,
      maximum: 4096,
      default: 960,
      description:
        "Longest side of the frames sent, in pixels. Frames are scaled down by an integer factor to fit.",
    }),
  ),
  quality: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 100, default: 75, description: "JPEG quality of the frames." }),
  ),
  history: Type.Optional(
    Duration({
      default: "5m",
      description:
        "How far back a page opened later can see timelines and events, in media time. Anything older is discarded. Timelines show 5 minutes at most.",
    }),
  ),
});

export type WebOptions = Static<typeof Options>;

/** Shows the run in a browser. */
export const web = sink({
  type: "web",
  summary: "Shows the run in a browser: video with boxes, timelines, events.",
  description: [
    "Serves a page, which reconnects by itself. Frames are only encoded while somebody is watching, are sent as JPEG together with their boxes, and are not stored; behind a `blur` operator they are blurred. A slow browser gets fewer frames; neither the run nor other browsers wait for it.",
    "There is no encryption: on an untrusted network, put a TLS proxy in front of it, and add the proxy's name to `hosts`.",
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
    // Only runs with this sink load the server and the encoder.
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

/** The token. Throws `ConfigError` if it has surrounding white space, which is lost when it is typed in. */
function tokenOf({ token }: WebOptions): string | undefined {
  if (token === token?.trim()) return token;
  throw new ConfigError("WEB_TOKEN", "a token cannot start or end with white space; remove it");
}

/** Where to listen. Throws `ConfigError` if the address is invalid, or needs a token. */
function addressOf({ listen = LISTEN, token }: WebOptions): Address {
  const at = listen.lastIndexOf(":");
  const host = listen.slice(0, at).replace(/^\[|\]$/g, "");
  const port = Number(listen.slice(at + 1));
  if (port > 65535) throw new ConfigError("WEB_LISTEN", `${listen}: the port must be at most 65535`);
  if (!isLoopback(host) && token === undefined)
    throw new ConfigError(
      "WEB_TOKEN",
      `${listen} can be reached from other machines, so the page needs a token; add e.g. token: "\${WEB_TOKEN}", or listen on 127.0.0.1`,
    );
  return { host, port };
}
