import { putBytes, putNumber, putText } from "../bytes.js";
import { NatsError } from "../errors.js";
import { type EmotionEvent, whyNoEvent } from "../events/index.js";
import { putData, putEvent } from "../events/json.js";

/** How a CloudEvent is encoded as a message, as defined by the CloudEvents binding for NATS. */
export type ContentMode = "structured" | "binary";

/** The `Content-Type` that distinguishes a structured message from a binary one. */
const STRUCTURED_TYPE = "application/cloudevents+json";
/** The header by which JetStream recognises duplicates. */
const MESSAGE_ID = "Nats-Msg-Id";

export interface OutgoingMessage {
  readonly subject: string;
  /** Subject for the reply. */
  readonly reply?: string;
  readonly event: EmotionEvent;
  readonly mode: ContentMode;
  /** The whole event as JSON, if already available. */
  readonly json?: Uint8Array;
}

/** Width of the byte count in a frame's first line, which is only known at the end; may be padded with spaces. */
const TOTAL = 10;
const SPACES = Buffer.alloc(TOTAL, " ");
const SPACE = Buffer.from(" ");
const END = Buffer.from("\r\n");
const PUBLISH = Buffer.from("HPUB ");
const ID = Buffer.from(`NATS/1.0\r\n${MESSAGE_ID}: `);
const STRUCTURED = Buffer.from(`\r\nContent-Type: ${STRUCTURED_TYPE}\r\n\r\n`);

/**
 * Writes an event in NATS's client protocol (`HPUB`), because the client's `publish` takes longer than encoding the
 * event. In both modes, its id is the `Nats-Msg-Id`. For `at` and the return value, see `src/bytes.ts`.
 */
export function putMessage(to: Buffer, at: number, message: OutgoingMessage): number {
  const { subject, reply, event, mode, json } = message;
  const id = headerValue(event.id);
  const rest = mode === "structured" ? STRUCTURED : attributes(event);
  at = putText(to, putBytes(to, at, PUBLISH), subject);
  at = putBytes(to, at, SPACE);
  if (reply !== undefined) at = putBytes(to, putText(to, at, reply), SPACE);
  at = putNumber(to, at, ID.length + id.length + rest.length);
  const start = putBytes(to, putBytes(to, at, SPACES), END);
  at = putBytes(to, putText(to, putBytes(to, start, ID), id), rest);
  if (mode === "binary") at = putData(to, at, event.data);
  else at = json ? putBytes(to, at, json) : putEvent(to, at, event);
  const total = String(at - start);
  putText(to, start - END.length - total.length, total);
  return putBytes(to, at, END);
}

/** Bytes that count against the server's `max_payload`. */
export function payloadOf(frame: Buffer): number {
  return Number(frame.toString("latin1", 0, frame.indexOf(END)).split(" ").at(-1));
}

/** The headers of binary mode that follow the event's id. */
function attributes({ data, ...attributes }: EmotionEvent): Buffer {
  let text = "\r\n";
  for (const [name, value] of Object.entries(attributes)) text += `ce-${name}: ${headerValue(value)}\r\n`;
  return Buffer.from(`${text}\r\n`, "latin1");
}

/** Input of `readEvent`: a message from the client, or a stored one. */
export interface IncomingMessage {
  readonly headers?: Iterable<[string, string[]]> | undefined;
  readonly data: Uint8Array;
}

/** Far more bytes than any emotion event takes. */
const LARGEST = 256 * 1024;

/**
 * Reads and validates the event in a message of either mode; additional fields are allowed. Throws `NatsError`
 * (`NATS_MESSAGE`) with a short reason.
 */
export function readEvent(message: IncomingMessage): EmotionEvent {
  const wrong = (why: string, cause?: unknown) => new NatsError("NATS_MESSAGE", why, { cause });
  if (message.data.length > LARGEST)
    throw wrong(`not an emotion event: ${message.data.length} bytes are too large`);
  let value: unknown;
  try {
    value = fromMessage(message);
  } catch (cause) {
    throw wrong("it is not JSON", cause);
  }
  const why = whyNoEvent(value);
  if (why !== undefined) throw wrong(`not an emotion event: ${why}`);
  return value as EmotionEvent;
}

/** The event in a message of either mode, not validated. Throws if the payload is not JSON. */
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

/** Percent-encodes what the binding forbids in a header: spaces, `"`, `%`, and anything but printable ASCII. */
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
