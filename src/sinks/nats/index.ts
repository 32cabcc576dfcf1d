import { join } from "node:path";
import { Type } from "typebox";
import { parseAddresses } from "../../nats/address.js";
import { checkLogin, DEFAULT_URL, natsFields, StreamOptions } from "../../nats/options.js";
import { parseSubject, SUBJECT_FIELDS, safeToken } from "../../nats/subject.js";
import { complaint, sink } from "../../pipeline/component.js";
import { Bytes, Path } from "../../pipeline/units.js";

const SUBJECT = "emotion.{source}.{track}";

const Options = Type.Object({
  ...natsFields,
  subject: Type.Optional(
    Type.String({
      default: SUBJECT,
      description: `Subject to publish on. ${SUBJECT_FIELDS.join(", ")} are replaced by the event's values, percent-encoded where a subject cannot hold a character (\`.\` as \`%2E\`).`,
    }),
  ),
  format: Type.Optional(
    Type.Union([Type.Literal("structured"), Type.Literal("binary")], {
      default: "structured",
      description:
        "Content mode of the CloudEvents binding. `structured`: the whole event as JSON. `binary`: `data` as JSON, the rest in `ce-` headers.",
    }),
  ),
  stream: Type.Optional(StreamOptions),
  spool: Type.Optional(
    Type.Object(
      {
        path: Type.Optional(
          Path({
            description:
              "Its folder, used only by this sink. Default: `.spool/<pipeline>.<id>`, or `.spool/<job>/<pipeline>.<id>` in a worker's job.",
            examples: ["out/spool"],
          }),
        ),
        size: Type.Optional(Bytes({ default: "256MB", description: "Maximum disk space." })),
      },
      {
        default: {},
        description:
          "With `stream`: where every event is kept on disk until the server has acknowledged it. When it or its disk is full, recordings wait; if all sources are cameras, the oldest events are dropped and counted.",
      },
    ),
  ),
  buffer: Type.Optional(
    Bytes({
      default: "8MB",
      description:
        "Without `stream`: memory for events that the server has not confirmed. They are lost if this process dies; those in flight are lost if the connection breaks. When it is full, recordings wait; if all sources are cameras, the oldest events are dropped and counted.",
    }),
  ),
});

/** Publishes events on NATS: to current subscribers, or to a JetStream stream. */
export const nats = sink({
  type: "nats",
  summary: "Publishes events on NATS: to current subscribers, or to a JetStream stream.",
  description: `**With \`stream\`** (JetStream) an event is first written to the spool on disk, then sent, and leaves the spool when the server has acknowledged it. Delivery is at least once if the server, the network or this process fails (but not if this machine loses power), and exactly once as long as the stream's duplicate window is longer than the outage. Events of the same face keep their order. A run that ends with unsent events exits with 1 and reports how many; the next run sends them first.

**Without \`stream\`** (core NATS) an event reaches the subscribers of that moment, at most once; while the server is away, it waits in \`buffer\`.

If the server is away at the start, the run waits for it. A wrong login, an invalid certificate, or a stream with different limits or subjects stops the run with a one-line error. Every message is a CloudEvent with \`Nats-Msg-Id\` (the event's stable id); for subscribers, see \`docs/nats.md\` and \`schema/asyncapi.json\`.`,
  takes: "events",
  options: Options,
  example: `- type: nats
  url: nats://127.0.0.1:4222
  subject: emotion.{source}.{track}
  stream: { name: EMOTION, create: true, maxAge: 7d }`,
  check: ({ subject, url, tls, buffer, stream, ...login }) =>
    complaint("subject", () => parseSubject(subject ?? SUBJECT)) ??
    complaint("url", () => parseAddresses(url ?? DEFAULT_URL)) ??
    complaint(login.creds === undefined ? "token" : "creds", () =>
      checkLogin({ ...login, password: undefined }),
    ) ??
    ((tls?.cert === undefined) === (tls?.key === undefined)
      ? undefined
      : { option: "tls", message: "`cert` and `key` must be given together; one of them is missing" }) ??
    (buffer === 0
      ? { option: "buffer", message: "`buffer` must not be 0: no event could be sent" }
      : undefined) ??
    // A server takes 0 for its default, which would differ from the file's value at the next connection.
    (["maxBytes", "duplicateWindow"] as const)
      .filter((limit) => stream?.[limit] === 0)
      .map((limit) => ({
        option: "stream",
        message: `\`${limit}\` must not be 0; leave it out for the default`,
      }))[0],
  idle: ({ stream }) =>
    stream ? { names: ["buffer"], where: "with `stream`" } : { names: ["spool"], where: "without `stream`" },
  build: async (options, context) => {
    const { subject = SUBJECT, format = "structured", stream, spool, buffer = 8e6 } = options;
    const { id, pipeline, stateDir, log, signal, stats } = context;
    const common = {
      id,
      nats: options,
      name: `ekspresi ${pipeline.name} ${id}`,
      subject: parseSubject(subject),
      mode: format,
      dropsOldest: stats.sources.every(({ live }) => live),
      log,
      signal,
    };
    // Only runs with this sink load the client.
    const delivery = stream
      ? await (await import("./jetstream.js")).JetStreamDelivery.open({
          ...common,
          stream,
          spool: {
            path: spool?.path ?? join(stateDir, `${safeToken(pipeline.name)}.${safeToken(id)}`),
            maxBytes: spool?.size ?? 256e6,
          },
        })
      : await (await import("./core.js")).CoreDelivery.open({ ...common, bufferBytes: buffer });
    return {
      write: (event) => delivery.take(event),
      close: () => delivery.close(),
      figures: () => delivery.figures(),
    };
  },
});
