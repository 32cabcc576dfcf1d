import {
  AckPolicy,
  type Consumer,
  DeliverPolicy,
  type DeliveryInfo,
  type JetStreamManager,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { ConfigError, messageOf, NatsError } from "../errors.js";
import { type Nats, openJetStream } from "./connection.js";
import type { IncomingMessage } from "./message.js";
import { covers } from "./subject.js";

/** A received message, from the client or a stream. */
export interface Received extends IncomingMessage {
  readonly subject: string;
}

/** Pull timeout; a lost server is noticed after two halves of it, and reading continues where it stopped. */
const PULL_MS = 4000;

/** Checks a subscriber's subject, e.g. `emotion.door.*`. Throws `ConfigError`. */
export function checkPattern(subject: string): void {
  const tokens = subject.split(".");
  const bad = tokens.findIndex(
    (token, i) => token === "" || /[\s\p{Cc}]/u.test(token) || (token === ">" && i < tokens.length - 1),
  );
  if (bad >= 0)
    throw new ConfigError(
      "NATS_SUBJECT",
      `${JSON.stringify(subject)} is not a valid subject; write tokens separated by dots, \`*\` for any one token, \`>\` at the end for one or more, e.g. emotion.door.*`,
    );
}

/** Maximum number of messages waiting for a slow reader; further ones are missed and counted. */
const WAITING = 10_000;

/**
 * Yields messages published from now on (core NATS), until the signal aborts or the connection ends. A reader slower
 * than the messages misses some; `missed` is called with their number.
 */
export async function* listen(
  { connection, shown }: Nats,
  subject: string,
  signal: AbortSignal,
  missed: (count: number) => void,
): AsyncGenerator<Received> {
  const waiting: Received[] = [];
  let failure: Error | undefined;
  let wake: () => void = () => {};
  const subscription = connection.subscribe(subject, {
    callback: (error, message) => {
      if (error) failure = error;
      else if (waiting.length < WAITING) waiting.push(message);
      else missed(1);
      wake();
    },
  });
  const stop = () => wake();
  signal.addEventListener("abort", stop);
  void connection.closed().then(stop);
  try {
    while (!signal.aborted) {
      for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) yield next;
      if (failure)
        throw new NatsError("NATS_LOGIN", `${shown}: cannot subscribe to ${subject}: ${failure.message}`, {
          cause: failure,
        });
      if (connection.isClosed()) return;
      if (waiting.length === 0 && !signal.aborted)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
  } finally {
    signal.removeEventListener("abort", stop);
    if (!connection.isClosed()) subscription.unsubscribe();
  }
}

export interface ReplayOptions {
  /** Stored at this time or later. */
  readonly since: Date;
  /** Continues with new messages without a gap; otherwise ends with those stored now. */
  readonly follow: boolean;
  /** Default: the only stream with the subject. */
  readonly stream?: string | undefined;
}

/**
 * Yields a stream's messages under a subject in order, each once, even across lost connections. Rejects with a one-line
 * `NatsError` if no stream, or more than one, has the subject.
 */
export async function* replay(
  nats: Nats,
  subject: string,
  { since, follow, stream }: ReplayOptions,
  signal: AbortSignal,
): AsyncGenerator<Received> {
  const manager = await openJetStream(nats);
  const name = stream ?? (await streamOf(manager, subject, nats.shown));
  const fail = (cause: unknown) =>
    new NatsError("NATS_STREAM", `${nats.shown}: stream ${name} cannot be read: ${messageOf(cause)}`, {
      cause,
    });
  try {
    const consumer = await consumerOf(manager, name, subject, since);
    const stored = (await consumer.info()).num_pending;
    if (follow) yield* consume(consumer, subject, Number.POSITIVE_INFINITY, signal);
    else if (stored > 0) yield* consume(consumer, subject, stored, signal);
  } catch (cause) {
    if (!signal.aborted) throw fail(cause);
  }
}

async function consumerOf(
  manager: JetStreamManager,
  stream: string,
  subject: string,
  since: Date,
): Promise<Consumer> {
  const { config } = await manager.streams.info(stream);
  // Old servers reject a filter wider than the stream.
  const wide = (config.subjects ?? []).every((taken) => covers(subject, taken));
  return manager.jetstream().consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: await firstSince(manager, stream, since),
    ...(!wide && { filter_subjects: subject }),
  });
}

/** Yields the next `most` messages, or fewer if the others are no longer there. */
async function* consume(
  consumer: Consumer,
  subject: string,
  most: number,
  signal: AbortSignal,
): AsyncGenerator<Received> {
  const messages = await consumer.consume({ max_messages: 500, expires: PULL_MS });
  const stop = () => void messages.close();
  signal.addEventListener("abort", stop);
  const endless = most === Number.POSITIVE_INFINITY;
  let read = 0;
  let last: DeliveryInfo | undefined;
  /** All that were counted may have arrived, expired, been purged, or been lost with a connection. */
  const idle = async () => {
    const { name, num_pending, delivered } = await consumer.info();
    if (num_pending > 0 || read < messages.getReceived()) return;
    const arrived = last?.consumer === name ? last.deliverySequence : 0;
    if (arrived === delivered.consumer_seq) await messages.close();
    else await consumer.delete(); // the client then makes another, which starts after the last to arrive
  };
  // The client would retry forever, and find nothing in a recreated stream, whose numbers start at 1.
  let deleted = false;
  void (async () => {
    for await (const { type } of messages.status()) {
      if (type === "heartbeat" && !endless) await idle().catch(() => {}); // the next one asks again
      if (type !== "stream_not_found") continue;
      deleted = true;
      await messages.close();
    }
  })();
  try {
    if (signal.aborted) return;
    for await (const message of messages) {
      read++;
      last = message.info;
      // A stream that copies others names none of their subjects, and is then read without a filter.
      if (covers(subject, message.subject)) yield message;
      if (read >= most || (!endless && message.info.pending === 0)) return;
    }
    if (deleted) throw new Error("it has been deleted");
  } finally {
    signal.removeEventListener("abort", stop);
    await messages.close();
  }
}

/**
 * Sequence number of the first message stored at or after a time. An ordered consumer started by time cannot be
 * recreated after a lost connection, because the client then sends both time and number, which servers reject.
 */
async function firstSince(manager: JetStreamManager, stream: string, since: Date): Promise<number> {
  const { name, delivered } = await manager.consumers.add(stream, {
    deliver_policy: DeliverPolicy.StartTime,
    opt_start_time: since.toISOString(),
    ack_policy: AckPolicy.None,
    inactive_threshold: nanos(5000),
    mem_storage: true,
  });
  await manager.consumers.delete(stream, name);
  return delivered.stream_seq + 1;
}

async function streamOf(manager: JetStreamManager, subject: string, shown: string): Promise<string> {
  const names = await manager.streams.names(subject).next();
  const [name, ...others] = names;
  if (name === undefined)
    throw new NatsError(
      "NATS_STREAM",
      `${shown}: no stream holds ${subject}; without --since, its events are read live`,
    );
  if (others.length > 0)
    throw new NatsError(
      "NATS_STREAM",
      `${shown}: several streams hold ${subject}: ${names.join(", ")}; choose one with --stream`,
    );
  return name;
}
