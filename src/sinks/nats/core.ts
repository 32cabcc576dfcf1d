import { messageOf, SinkError } from "../../errors.js";
import type { EmotionEvent } from "../../events/event.js";
import {
  type ContentMode,
  type Nats,
  type NatsOptions,
  type OutgoingMessage,
  type SubjectTemplate,
  toMessage,
} from "../../nats/index.js";
import type { Log } from "../../pipeline/context.js";
import { Change } from "./change.js";
import type { Delivery } from "./delivery.js";
import { Link, type LinkOwner } from "./link.js";

export interface CoreSettings {
  /** The sink's, for messages. */
  readonly id: string;
  readonly nats: NatsOptions;
  readonly name: string;
  readonly subject: SubjectTemplate;
  readonly mode: ContentMode;
  /** Most bytes that are not known to have reached the server. */
  readonly bufferBytes: number;
  /** Whether a full buffer gives up its oldest events; else `take` waits. */
  readonly dropsOldest: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** So many bytes are sent before the server is asked whether it has them. */
const ASK_BYTES = 64 * 1024;
/** At the end: how long we wait for a server that confirms nothing. */
const DRAIN_MS = 5000;
/** A server that confirms nothing for so long is given up for a new connection. */
const CONFIRM_MS = 5000;

interface Waiting {
  readonly subject: string;
  readonly message: OutgoingMessage;
}

/**
 * Events to whoever listens now: at most once. While the server is away they wait in memory; what it has not confirmed
 * when a connection breaks may be lost, and is counted.
 */
export class CoreDelivery implements Delivery, LinkOwner {
  readonly meanwhile = "events wait in memory";
  readonly #settings: CoreSettings;
  readonly #link: Link;
  readonly #queue: Waiting[] = [];
  #queuedBytes = 0;
  #nats: Nats | undefined;
  /** Sent on this connection, and not known to have arrived. */
  #open = { events: 0, bytes: 0 };
  /** Of those, sent since the server was last asked. */
  #unasked = { events: 0, bytes: 0 };
  #asking = false;
  #failure: SinkError | undefined;
  #dropped = 0;
  #unconfirmed = 0;
  #fullSaid = false;
  readonly #change = new Change();

  private constructor(settings: CoreSettings) {
    this.#settings = settings;
    this.#link = new Link(settings.id, settings.nats, settings.name, settings.log, this);
    settings.signal.addEventListener("abort", this.#change.tell);
  }

  static async open(settings: CoreSettings): Promise<CoreDelivery> {
    const delivery = new CoreDelivery(settings);
    await delivery.#link.open();
    return delivery;
  }

  take(event: EmotionEvent): void | Promise<void> {
    if (this.#failure) throw this.#failure;
    const { subject, mode, bufferBytes } = this.#settings;
    const item = { subject: subject.of(event), message: toMessage(event, mode) };
    if (this.#bytes < bufferBytes) return this.#put(item);
    this.#sayFull();
    if (!this.#settings.dropsOldest) return this.#room().then(() => this.#put(item));
    while (this.#bytes >= bufferBytes && this.#queue.length > 0) {
      this.#queuedBytes -= sizeOf(this.#queue.shift());
      this.#dropped++;
    }
    return this.#put(item);
  }

  figures(): Record<string, number> {
    return { waiting: this.#queue.length, dropped: this.#dropped, unconfirmed: this.#unconfirmed };
  }

  async close(): Promise<void> {
    const { signal, id, log } = this.#settings;
    const failed = this.#failure;
    const left = () => this.#queue.length + this.#open.events;
    if (this.#queue.length > 0 && !failed) log.info(`${id}: waiting for the server to take ${left()} events`);
    this.#ask();
    let least = left();
    for (let since = performance.now(); left() > 0 && !signal.aborted && !this.#failure; ) {
      const waitMs = since + DRAIN_MS - performance.now();
      if (waitMs <= 0) break;
      await this.#change.wait(waitMs);
      if (left() >= least) continue;
      least = left();
      since = performance.now();
    }
    const lost = left();
    await this.#link.close();
    signal.removeEventListener("abort", this.#change.tell);
    if (lost > 0)
      throw new SinkError(
        "SINK_UNSENT",
        `${id}: ${lost} events are lost, for the server did not take them (${this.#link.trouble ?? "it does not answer"}); \`stream\` would keep them`,
      );
    if (this.#failure && !failed) throw this.#failure; // `take` could not tell of it any more
  }

  async opened(nats: Nats): Promise<void> {
    this.#nats = nats;
    this.#sendQueued();
    this.#change.tell();
  }

  lost(): void {
    this.#nats = undefined;
    this.#asking = false;
    if (this.#open.events > 0) {
      this.#unconfirmed += this.#open.events;
      this.#settings.log.warn(
        `${this.#settings.id}: ${this.#open.events} events may be lost: they were under way when the connection broke`,
      );
    }
    this.#open = { events: 0, bytes: 0 };
    this.#unasked = { events: 0, bytes: 0 };
    this.#change.tell();
  }

  complaint(message: string, error: Error): void {
    const { id, log } = this.#settings;
    if (error.name === "PermissionViolationError")
      this.#failure ??= new SinkError("SINK_WRITE", `${id}: ${message}`, { cause: error });
    else log.debug(`${id}: ${message}`);
    this.#change.tell();
  }

  get #bytes(): number {
    return this.#queuedBytes + this.#open.bytes;
  }

  /** Half of the buffer may be under way; the rest waits here, where a server that hangs leaves it to be dropped. */
  get #maySend(): boolean {
    return this.#nats !== undefined && this.#open.bytes < this.#settings.bufferBytes / 2;
  }

  #put(item: Waiting): void {
    if (this.#nats && this.#maySend && this.#queue.length === 0) {
      this.#send(this.#nats, item);
      // Soon, for the last events before a pause; at once, where much has been sent.
      if (this.#unasked.bytes >= ASK_BYTES) this.#ask();
      else if (!this.#asking) this.#askSoon();
    } else {
      this.#queue.push(item);
      this.#queuedBytes += sizeOf(item);
    }
    if (this.#failure) throw this.#failure;
  }

  #sendQueued(): void {
    while (this.#nats && this.#maySend) {
      const item = this.#queue.shift();
      if (!item) break;
      this.#queuedBytes -= sizeOf(item);
      this.#send(this.#nats, item);
    }
    this.#ask();
  }

  #send({ connection }: Nats, item: Waiting): void {
    const { subject, message } = item;
    try {
      connection.publish(subject, message.data, { headers: message.headers });
    } catch (cause) {
      if (cause instanceof Error && cause.name === "ClosedConnectionError") {
        this.#nats = undefined; // of which `lost` will tell
        this.#queue.unshift(item);
        this.#queuedBytes += sizeOf(item);
      } else {
        const what = `an event of ${message.data.length} bytes cannot be sent: ${messageOf(cause)}`;
        this.#failure ??= new SinkError("SINK_WRITE", `${this.#settings.id}: ${what}`, { cause });
      }
      return;
    }
    this.#unasked.events++;
    this.#unasked.bytes += sizeOf(item);
    this.#open.events++;
    this.#open.bytes += sizeOf(item);
  }

  #askSoon(): void {
    this.#asking = true;
    setImmediate(() => {
      this.#asking = false;
      this.#ask();
    });
  }

  /** Asks whether what was sent so far has arrived: the answer comes after it, in order. */
  #ask(): void {
    const nats = this.#nats;
    const { events, bytes } = this.#unasked;
    if (!nats || events === 0) return;
    this.#unasked = { events: 0, bytes: 0 };
    const late = setTimeout(() => this.#link.drop(`no answer for ${CONFIRM_MS / 1000} s`), CONFIRM_MS);
    nats.connection.flush().then(
      () => {
        clearTimeout(late);
        if (this.#nats !== nats) return;
        this.#open.events -= events;
        this.#open.bytes -= bytes;
        if (this.#queue.length > 0) this.#sendQueued();
        this.#change.tell();
      },
      () => clearTimeout(late), // the connection has ended, and `lost` has counted
    );
  }

  async #room(): Promise<void> {
    const { signal, id, bufferBytes } = this.#settings;
    while (this.#bytes >= bufferBytes) {
      if (signal.aborted)
        throw new SinkError(
          "SINK_WRITE",
          `${id}: ended while the buffer was full (${this.#link.trouble ?? "slow server"})`,
        );
      await this.#change.wait(1000);
      if (this.#failure) throw this.#failure;
    }
  }

  #sayFull(): void {
    const { id, log, bufferBytes, dropsOldest } = this.#settings;
    if (!this.#fullSaid)
      log.warn(
        `${id}: the buffer is full (${bufferBytes} bytes): ${dropsOldest ? "its oldest events are dropped" : "the sources wait"}`,
      );
    this.#fullSaid = true;
  }
}

function sizeOf(item: Waiting | undefined): number {
  return item ? item.message.data.length + item.subject.length : 0;
}
