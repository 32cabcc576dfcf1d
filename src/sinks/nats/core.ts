import { Pieces } from "../../bytes.js";
import { messageOf, SinkError } from "../../errors.js";
import type { EmotionEvent } from "../../events/event.js";
import {
  type ContentMode,
  type Nats,
  type NatsOptions,
  putMessage,
  type SubjectTemplate,
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

/** At the end: how long we wait for a server that confirms nothing. */
const DRAIN_MS = 5000;
/** A server that confirms nothing for so long is given up for a new connection. */
const CONFIRM_MS = 5000;

/**
 * Events to whoever listens now: at most once. While the server is away they wait in memory; what it has not confirmed
 * when a connection breaks may be lost, and is counted.
 */
export class CoreDelivery implements Delivery, LinkOwner {
  readonly meanwhile = "events wait in memory";
  readonly #settings: CoreSettings;
  readonly #link: Link;
  readonly #pieces = new Pieces();
  /** Messages as they will be sent. */
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #nats: Nats | undefined;
  /** Sent on this connection, and not known to have arrived. */
  #open = { events: 0, bytes: 0 };
  /** Of those, sent since the server was last asked. */
  #unasked = { events: 0, bytes: 0 };
  #sending = false;
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
    const message = { subject: subject.of(event), event, mode };
    const frame = this.#pieces.take((to, at) => putMessage(to, at, message));
    if (this.#nats && !this.#fits(this.#nats, frame)) throw this.#failure;
    if (this.#bytes >= bufferBytes) this.#sendQueued(); // first, that as little as can be is dropped
    if (this.#bytes < bufferBytes) return this.#put(frame);
    this.#sayFull();
    if (!this.#settings.dropsOldest) return this.#room().then(() => this.#put(frame));
    while (this.#bytes >= bufferBytes) {
      const oldest = this.#queue.shift();
      if (!oldest) break;
      this.#queuedBytes -= oldest.length;
      this.#dropped++;
    }
    return this.#put(frame);
  }

  figures(): Record<string, number> {
    return { waiting: this.#queue.length, dropped: this.#dropped, unconfirmed: this.#unconfirmed };
  }

  async close(): Promise<void> {
    const { signal, id, log } = this.#settings;
    const failed = this.#failure;
    const left = () => this.#queue.length + this.#open.events;
    this.#sendQueued();
    if (this.#queue.length > 0 && !failed) log.info(`${id}: waiting for the server to take ${left()} events`);
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
    this.#queue = this.#queue.filter((frame) => this.#fits(nats, frame));
    this.#queuedBytes = this.#queue.reduce((sum, { length }) => sum + length, 0);
    this.#sendQueued();
    this.#change.tell();
  }

  lost(): void {
    this.#nats = undefined;
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
  get #mayBeOpen(): number {
    return this.#settings.bufferBytes / 2;
  }

  /** What lies in one piece of memory is sent as one: once the piece is full, or soon. */
  #put(frame: Buffer): void {
    if (this.#queue.at(-1)?.buffer !== frame.buffer) this.#sendQueued();
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    this.#sendSoon();
    if (this.#failure) throw this.#failure;
  }

  #sendSoon(): void {
    if (this.#sending || !this.#nats) return;
    this.#sending = true;
    setImmediate(() => {
      this.#sending = false;
      this.#sendQueued();
    });
  }

  #sendQueued(): void {
    while (this.#nats && this.#open.bytes < this.#mayBeOpen) {
      const { events, bytes } = this.#next();
      if (events === 0) break;
      if (!this.#nats.send(bytes)) {
        this.#nats = undefined; // of which `lost` will tell
        return;
      }
      this.#queue.splice(0, events);
      this.#queuedBytes -= bytes.length;
      this.#unasked.events += events;
      this.#unasked.bytes += bytes.length;
      this.#open.events += events;
      this.#open.bytes += bytes.length;
    }
    this.#ask();
  }

  /** The oldest messages that wait, as far as they lie one behind the other in memory and may be under way. */
  #next(): { events: number; bytes: Buffer } {
    const [first = Buffer.alloc(0)] = this.#queue;
    const most = this.#mayBeOpen - this.#open.bytes;
    let events = 0;
    let length = 0;
    for (const { buffer, byteOffset, length: more } of this.#queue) {
      if (length >= most || buffer !== first.buffer || byteOffset !== first.byteOffset + length) break;
      length += more;
      events++;
    }
    return { events, bytes: Buffer.from(first.buffer, first.byteOffset, length) };
  }

  /** Whether the server takes a message of that size; where it does not, the run ends. */
  #fits(nats: Nats, frame: Buffer): boolean {
    try {
      nats.checkSize(frame);
      return true;
    } catch (cause) {
      const what = `an event of ${frame.length} bytes cannot be sent: ${messageOf(cause)}`;
      this.#failure ??= new SinkError("SINK_WRITE", `${this.#settings.id}: ${what}`, { cause });
      return false;
    }
  }

  /** Asks whether what was sent so far has arrived: the answer comes after it, in order. */
  #ask(): void {
    const nats = this.#nats;
    const { events, bytes } = this.#unasked;
    if (!nats || events === 0) return;
    this.#unasked = { events: 0, bytes: 0 };
    const late = setTimeout(() => this.#link.drop(`no answer for ${CONFIRM_MS / 1000} s`), CONFIRM_MS);
    nats.confirm().then(
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
