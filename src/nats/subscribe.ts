import { AckPolicy, DeliverPolicy, type JetStreamManager } from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { ConfigError, messageOf, NatsError } from "../errors.js";
import { type Nats, openJetStream } from "./connection.js";
import type { IncomingMessage } from "./message.js";
import { covers } from "./subject.js";

/** A message that was received, of the client's or of a stream. */
export interface Received extends IncomingMessage {
  readonly subject: string;
}

/** A server that was away is missed after two half-times of this, and the stream read on where it was left. */
const PULL_MS = 4000;

/** Checks what a subscriber asks for, e.g. `emotion.door.*`. Throws `ConfigError`. */
export function checkPattern(subject: string): void {
  const tokens = subject.split(".");
  const bad = tokens.findIndex(
    (token, i) => token === "" || /[\s\p{Cc}]/u.test(token) || (token === ">" && i < tokens.length - 1),
  );
  if (bad >= 0)
    throw new ConfigError(
      "NATS_SUBJECT",
      `${JSON.stringify(subject)} is no subject: write tokens with dots between them, \`*\` for any one token, \`>\` at the end for all that follow, e.g. emotion.door.*`,
    );
}

/** Most messages that wait for a slow reader; further ones are missed, and counted. */
const WAITING = 10_000;

/**
 * What is published under a subject from now on (core NATS), until the signal aborts or the connection ends. A reader
 * that is slower than the messages misses some; `missed` is told how many.
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
        throw new NatsError("NATS_LOGIN", `${shown}: ${subject} cannot be read: ${failure.message}`, {
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
  /** Goes on with what is stored from now on, without a gap; else ends with what is there now. */
  readonly follow: boolean;
  /** Default: the one stream that takes the subject. */
  readonly stream?: string | undefined;
}

/**
 * What a stream holds under a subject, in the stream's order, each message once, also through lost connections. Rejects
 * with a one-line `NatsError` where no stream, or several, have the subject.
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
    const { config } = await manager.streams.info(name);
    // An old server refuses a filter that is wider than the stream.
    const wide = (config.subjects ?? []).every((taken) => covers(subject, taken));
    const consumer = await manager.jetstream().consumers.get(name, {
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: await firstSince(manager, name, since),
      ...(!wide && { filter_subjects: subject }),
    });
    let left = (await consumer.info()).num_pending;
    if (left === 0 && !follow) return;
    const messages = await consumer.consume({ max_messages: 500, expires: PULL_MS });
    const stop = () => void messages.close();
    signal.addEventListener("abort", stop);
    // The client would look for it for ever, and find nothing in one that is made anew: its numbers begin at 1.
    let deleted = false;
    void (async () => {
      for await (const { type } of messages.status()) {
        if (type !== "stream_not_found") continue;
        deleted = true;
        await messages.close();
      }
    })();
    try {
      if (signal.aborted) return;
      for await (const message of messages) {
        yield message;
        left--;
        if (!follow && (left <= 0 || message.info.pending === 0)) return;
      }
      if (deleted) throw new Error("it has been deleted");
    } finally {
      signal.removeEventListener("abort", stop);
      await messages.close();
    }
  } catch (cause) {
    if (!signal.aborted) throw fail(cause);
  }
}

/**
 * The number of the first message stored at a time or later. An ordered consumer that began by time itself could not
 * be made again after a lost connection: the client asks for time and number at once then, which servers refuse.
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
      `${shown}: no stream holds ${subject}; without --since its events are read as they come`,
    );
  if (others.length > 0)
    throw new NatsError(
      "NATS_STREAM",
      `${shown}: several streams hold ${subject}: ${names.join(", ")}; name one with --stream`,
    );
  return name;
}
