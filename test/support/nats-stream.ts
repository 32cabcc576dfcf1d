import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

export interface StoredMessage {
  readonly subject: string;
  readonly headers: Record<string, string>;
  readonly data: string;
}

/** Every message of a stream, in its order. */
export async function storedMessages(port: number, stream: string): Promise<StoredMessage[]> {
  const connection = await connect({ port });
  try {
    const { state } = await (await jetstreamManager(connection)).streams.info(stream);
    const found: StoredMessage[] = [];
    if (state.messages === 0) return found;
    const consumer = await jetstream(connection).consumers.get(stream);
    for await (const message of await consumer.consume()) {
      const headers = Object.fromEntries(
        [...(message.headers ?? [])].map(([name, [value = ""]]) => [name, value]),
      );
      found.push({ subject: message.subject, headers, data: message.string() });
      if (message.info.pending === 0) break;
    }
    return found;
  } finally {
    await connection.close();
  }
}
