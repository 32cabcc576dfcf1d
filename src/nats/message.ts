import { MsgHdrsImpl } from "@nats-io/transport-node";
import { NatsError } from "../errors.js";
import { type EmotionEvent, whyNoEvent } from "../events/index.js";
import { dataJson, eventJson } from "../events/json.js";

/** How a CloudEvent becomes a message, by the CloudEvents binding for NATS. */
export type ContentMode = "structured" | "binary";

/** The `Content-Type` that tells a structured message from a binary one. */
const STRUCTURED_TYPE = "application/cloudevents+json";
/** The header by which JetStream knows a message that it has. */
const MESSAGE_ID = "Nats-Msg-Id";

/** Headers that are bytes already: the client's own take longer to make than the event itself. */
export class ReadyHeaders extends MsgHdrsImpl {
  readonly #bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    super();
    this.#bytes = bytes;
  }
  override encode(): Uint8Array {
    return this.#bytes;
  }
}

export interface OutgoingMessage {
  readonly headers: ReadyHeaders;
  readonly data: Uint8Array;
}

/**
 * An event as a message; in either mode its id is the `Nats-Msg-Id`.
 * @param json the whole event as JSON, where the caller has it already
 */
export function toMessage(event: EmotionEvent, mode: ContentMode, json?: Uint8Array): OutgoingMessage {
  const start = `NATS/1.0\r\n${MESSAGE_ID}: ${headerValue(event.id)}\r\n`;
  if (mode === "structured") {
    const head = `${start}Content-Type: ${STRUCTURED_TYPE}\r\n\r\n`;
    return json
      ? { headers: new ReadyHeaders(Buffer.from(head, "latin1")), data: json }
      : message(head, eventJson(event));
  }
  const { data, ...attributes } = event;
  let head = start;
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined) head += `ce-${name}: ${headerValue(value)}\r\n`;
  return message(`${head}\r\n`, dataJson(data));
}

/** @param head ASCII, so that it has as many bytes as characters */
function message(head: string, data: string): OutgoingMessage {
  const at = encode(head + data);
  const dataAt = at + head.length;
  return { headers: new ReadyHeaders(piece.subarray(at, dataAt)), data: piece.subarray(dataAt, used) };
}

const PIECE = 64 * 1024;
let piece = Buffer.alloc(0);
let used = 0;

/** Writes a text behind others into `piece`, for memory of its own would take longer, and tells where it begins. */
function encode(text: string): number {
  const most = text.length * 3;
  if (piece.length - used < most) {
    piece = Buffer.allocUnsafeSlow(Math.max(PIECE, most));
    used = 0;
  }
  const at = used;
  used += piece.write(text, at);
  return at;
}

/** What `readEvent` reads: a message of the client's, or a stored one. */
export interface IncomingMessage {
  readonly headers?: Iterable<[string, string[]]> | undefined;
  readonly data: Uint8Array;
}

/** What an emotion event takes at most, many times over. */
const LARGEST = 256 * 1024;

/**
 * The event in a message of either mode, checked; further fields are allowed. Throws `NatsError` (`NATS_MESSAGE`) that
 * says in a few words what is wrong with it.
 */
export function readEvent(message: IncomingMessage): EmotionEvent {
  const wrong = (why: string, cause?: unknown) => new NatsError("NATS_MESSAGE", why, { cause });
  if (message.data.length > LARGEST) throw wrong(`${message.data.length} bytes are no emotion event`);
  let value: unknown;
  try {
    value = fromMessage(message);
  } catch (cause) {
    throw wrong("it is not JSON", cause);
  }
  const why = whyNoEvent(value);
  if (why !== undefined) throw wrong(`no emotion event: ${why}`);
  return value as EmotionEvent;
}

/** The event in a message of either mode, not checked. Throws where the payload is not JSON. */
function fromMessage({ headers, data }: IncomingMessage): unknown {
  const found = new Map<string, string>();
  for (const [name, [value]] of headers ?? []) if (value !== undefined) found.set(name.toLowerCase(), value);
  const payload: unknown = JSON.parse(Buffer.from(data).toString("utf8"));
  const structured = found.get("content-type")?.toLowerCase().startsWith("application/cloudevents");
  if (structured || !found.has("ce-id")) return payload;
  const attributes = [...found].filter(([name]) => name.startsWith("ce-"));
  return {
    ...Object.fromEntries(attributes.map(([name, value]) => [name.slice(3), plainValue(value)])),
    data: payload,
  };
}

const UNSAFE = /[^\x21\x23\x24\x26-\x7e]/u;

/** Percent-encodes what the binding forbids in a header: spaces, `"`, `%`, and all outside printable ASCII. */
function headerValue(value: string): string {
  if (!UNSAFE.test(value)) return value;
  return value.replace(/[^\x21\x23\x24\x26-\x7e]/gu, (character) =>
    [...Buffer.from(character)].map((b) => `%${b.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
  );
}

function plainValue(value: string): string {
  const unquoted = /^".*"$/.test(value) ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
  try {
    return decodeURIComponent(unquoted);
  } catch {
    return unquoted;
  }
}
