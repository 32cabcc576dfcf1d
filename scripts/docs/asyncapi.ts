import { EmotionData, EmotionEvent } from "#src/events/event.js";
import { parseSubject } from "#src/nats/subject.js";
import { sent } from "../../test/support/sent.js";
import { EXAMPLE } from "./example-event.js";

const plain = (schema: object): Record<string, unknown> => JSON.parse(JSON.stringify(schema));

/** A schema for readers, who ignore fields that later versions add: it allows additional properties everywhere. */
export const open = (schema: object): unknown =>
  JSON.parse(
    JSON.stringify(schema, (key, value) =>
      key === "additionalProperties" && value === false ? undefined : value,
    ),
  );

const attributes = Object.entries(
  (plain(EmotionEvent).properties ?? {}) as Record<string, Record<string, unknown>>,
).filter(([name]) => name !== "data");

/** The event with `data` by reference, so that generators make one type of it. */
function eventSchema(): object {
  const schema = open(EmotionEvent) as { properties: Record<string, unknown> };
  return {
    ...schema,
    properties: { ...schema.properties, data: { $ref: "#/components/schemas/EmotionData" } },
  };
}

const DESCRIPTION = [
  "Events that a pipeline's sink `nats` publishes: CloudEvents 1.0 over NATS, by the CloudEvents NATS protocol binding (draft 1.0.3, https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/nats-protocol-binding.md).",
  "Core NATS delivers at most once, `stream` at least once. A reader of the stream gets each id once within the stream's duplicate window; a plain subscriber may see one again, so drop repeats by `Nats-Msg-Id`. A recording that is run again has the same ids.",
  "A JetStream consumer of the stream can read earlier events. The stream's name is in the pipeline file; it is also the stream that holds `emotion.*.*` (ask `$JS.API.STREAM.NAMES`). A stream created by the sink keeps everything in files, without limits unless the pipeline file sets some, and its duplicate window is two minutes.",
  "The events of one track arrive in order, and there may be several for one frame. Identify a track by `source`, which names pipeline and camera, together with `data.track`: the subject does not name the pipeline, and numbers start again at 1 in every run.",
  "Read messages of either mode: structured if `Content-Type` begins with `application/cloudevents` in any case, binary if there is a header `ce-id`. Header values in binary mode are percent-encoded UTF-8: decode them once (`ce-source` is then a URI reference that may still contain `%20`).",
  "Ignore fields that you do not know.",
].join("\n\n");

function header(description: string, more: object = {}) {
  return { type: "string", description, ...more };
}

const messageId = {
  "Nats-Msg-Id": header("The event's id, by which JetStream and any subscriber recognise a repeated event."),
};

/** What the `nats` sink actually sends for the example. */
function example(mode: "structured" | "binary") {
  const { headers, data } = sent(EXAMPLE, mode);
  return {
    headers: Object.fromEntries([...headers].map(([name, [value]]) => [name, value])),
    payload: JSON.parse(data.toString()),
  };
}

/** What subscribers need to know about the `nats` sink, as AsyncAPI 3: enough to write one without our code. */
export function asyncapi(version: string): object {
  const subject = parseSubject("emotion.{source}.{track}");
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Ekspresi emotion events",
      version,
      license: { name: "MIT" },
      description: DESCRIPTION,
    },
    defaultContentType: "application/json",
    servers: {
      local: {
        host: "127.0.0.1:4222",
        protocol: "nats",
        description:
          "The sink's default `url`. `tls://` if the server requires TLS, with a client certificate if it asks for one.",
        security: ["userPassword", "token", "nkey", "credentials", "certificate"].map((name) => ({
          $ref: `#/components/securitySchemes/${name}`,
        })),
      },
    },
    channels: {
      emotion: {
        address: "emotion.{source}.{track}",
        description: `The sink's default \`subject\`; a pipeline file may name another. Subscribe to \`${subject.pattern}\` for all, \`emotion.door.*\` for one camera. What a token cannot contain is percent-encoded: \`front.door\` becomes \`${subject.of({ ...EXAMPLE, data: { ...EXAMPLE.data, camera: "front.door" } })}\`.`,
        parameters: {
          source: {
            description:
              "Id of the camera or recording in the pipeline file: ASCII letters, digits, `_`, `-` and `.`, where `.` is sent as `%2E`: decode it.",
          },
          track: { description: "Number of the tracked face, from 1 for each source." },
        },
        messages: {
          structured: { $ref: "#/components/messages/structured" },
          binary: { $ref: "#/components/messages/binary" },
        },
      },
    },
    operations: {
      sendEmotion: {
        action: "send",
        summary: "A face appeared, changed its expression, was sampled, or left.",
        channel: { $ref: "#/channels/emotion" },
      },
    },
    components: {
      messages: {
        structured: {
          title: "The whole event as JSON (`format: structured`, the default)",
          contentType: "application/cloudevents+json",
          headers: {
            type: "object",
            required: ["Nats-Msg-Id", "Content-Type"],
            properties: {
              ...messageId,
              "Content-Type": header("Identifies a structured message.", {
                const: "application/cloudevents+json",
              }),
            },
          },
          payload: { $ref: "#/components/schemas/EmotionEvent" },
          examples: [{ name: "changed", ...example("structured") }],
        },
        binary: {
          title: "`data` as JSON, the rest in headers (`format: binary`)",
          description: "It has no header `Content-Type`; `ce-datacontenttype` says what the payload is.",
          contentType: "application/json",
          headers: {
            type: "object",
            required: ["Nats-Msg-Id", ...attributes.map(([name]) => `ce-${name}`)],
            properties: {
              ...messageId,
              ...Object.fromEntries(attributes.map(([name, schema]) => [`ce-${name}`, schema])),
            },
          },
          payload: { $ref: "#/components/schemas/EmotionData" },
          examples: [{ name: "changed", ...example("binary") }],
        },
      },
      schemas: { EmotionEvent: eventSchema(), EmotionData: open(EmotionData) },
      securitySchemes: {
        userPassword: { type: "userPassword", description: "`user` and `password`." },
        token: { type: "apiKey", in: "password", description: "`token`." },
        nkey: { type: "asymmetricEncryption", description: "`nkey`: the seed signs the server's nonce." },
        credentials: { type: "asymmetricEncryption", description: "`creds`: a JWT and a seed, in one file." },
        certificate: { type: "X509", description: "`tls.cert` and `tls.key`." },
      },
    },
  };
}
