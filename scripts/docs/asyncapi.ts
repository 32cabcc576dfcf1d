import { EmotionData, EmotionEvent } from "#src/events/event.js";
import { parseSubject } from "#src/nats/subject.js";
import { sent } from "../../test/support/sent.js";
import { EXAMPLE } from "./example-event.js";

const plain = (schema: object): Record<string, unknown> => JSON.parse(JSON.stringify(schema));

/** A schema for readers, who pass over fields that later versions add: nothing in it is closed. */
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
  "With core NATS at most once. With `stream`, at least once; a reader of the stream has each id once within the stream's duplicate window, a plain subscriber may see one again: drop repeats by `Nats-Msg-Id`. A recording that is run again has the same ids.",
  "A JetStream consumer of the stream reads what came before. The stream's name stands in the pipeline file; it is also the one that holds `emotion.*.*` (ask `$JS.API.STREAM.NAMES`). One that the sink created keeps everything in files without a limit unless the pipeline file sets some, and its duplicate window is two minutes.",
  "The events of one track come in order, and several may come for one frame. A track is told apart by `source`, which names pipeline and camera, and `data.track`: the subject does not name the pipeline, and numbers begin again at 1 in every run.",
  "Read messages of either mode: structured where `Content-Type` begins with `application/cloudevents` in any case, binary where there is a header `ce-id`. Header values of the binary mode are percent-encoded UTF-8: decode them once (`ce-source` is then a URI reference that may still hold `%20`).",
  "Fields that you do not know are to be passed over.",
].join("\n\n");

function header(description: string, more: object = {}) {
  return { type: "string", description, ...more };
}

const messageId = {
  "Nats-Msg-Id": header(
    "The event's id: by it JetStream, and any subscriber, knows an event that came before.",
  ),
};

/** What the `nats` sink really sends for the example. */
function example(mode: "structured" | "binary") {
  const { headers, data } = sent(EXAMPLE, mode);
  return {
    headers: Object.fromEntries([...headers].map(([name, [value]]) => [name, value])),
    payload: JSON.parse(data.toString()),
  };
}

/** What subscribers need to know of the `nats` sink, as AsyncAPI 3: enough to write one without our code. */
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
          "The sink's default `url`. `tls://` where the server wants TLS, with a client certificate if it asks for one.",
        security: ["userPassword", "token", "nkey", "credentials", "certificate"].map((name) => ({
          $ref: `#/components/securitySchemes/${name}`,
        })),
      },
    },
    channels: {
      emotion: {
        address: "emotion.{source}.{track}",
        description: `The sink's default \`subject\`; a pipeline file may name another. Subscribe to \`${subject.pattern}\` for all, \`emotion.door.*\` for one camera. What cannot stand in a token is percent-encoded: of \`front.door\` comes \`${subject.of({ ...EXAMPLE, data: { ...EXAMPLE.data, camera: "front.door" } })}\`.`,
        parameters: {
          source: {
            description:
              "Id of the camera or recording in the pipeline file: ASCII letters, digits, `_`, `-` and `.`, of which `.` comes as `%2E`: decode it.",
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
              "Content-Type": header("By it a structured message is known.", {
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
