import { headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { Pieces } from "#src/bytes.js";
import type { EmotionEvent } from "#src/events/event.js";
import { type ContentMode, putMessage } from "#src/nats/index.js";

/** What the sink sends for an event, as the client has it. */
export function sent(event: EmotionEvent, mode: ContentMode): { headers: MsgHdrs; data: Buffer } {
  const frame = new Pieces().take((to, at) => putMessage(to, at, { subject: "s", event, mode }));
  const line = /^HPUB s (\d+) +(\d+)\r\n/.exec(frame.toString("latin1"));
  if (!line) throw new Error(`not a message: ${frame}`);
  const [first, head, total] = [line[0].length, Number(line[1]), Number(line[2])];
  const found = headers();
  for (const field of frame
    .toString("latin1", first, first + head)
    .split("\r\n")
    .slice(1, -2)) {
    const colon = field.indexOf(": ");
    found.append(field.slice(0, colon), field.slice(colon + 2));
  }
  return { headers: found, data: frame.subarray(first + head, first + total) };
}

export function publish(
  connection: NatsConnection,
  subject: string,
  event: EmotionEvent,
  mode: ContentMode = "structured",
): void {
  const message = sent(event, mode);
  connection.publish(subject, message.data, { headers: message.headers });
}
