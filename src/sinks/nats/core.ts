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
  /** The sink's id, for messages. */
  readonly id: string;
  readonly nats: NatsOptions;
  readonly name: string;
  readonly subject: SubjectTemplate;
  readonly mode: ContentMode;
  /** Maximum number of bytes not known to have reached the server. */
  readonly bufferBytes: number;
  /** Whether a full buffer drops its oldest events; otherwise `take` waits. */
  readonly dropsOldest: boolean;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** How long `close` waits for a server that confirms nothing. */
const DRAIN_MS = 5000;
/** How long a server may confirm nothing before we reconnect. */
const CONFIRM_MS = 5000;

/**
 * Delivers events at most once, to current subscribers. While the server is away, events wait in memory; those not
 * confirmed when a connection breaks may be lost, and are counted.
 */
export class CoreDelivery implements Delivery, LinkOwner {
  readonly meanwhile = "events wait in memory";
  readonly #settings: CoreSettings;
  readonly #link: Link;
  readonly #pieces = new Pieces();
  /** Encoded messages. */
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #nats: Nats | undefined;
  /** Sent on this connection, but not known to have arrived. */
  #open = { events: 0, bytes: 0 };
  /** Of those, sent since the server was last asked to confirm. */
  #unasked = { events: 0, bytes: 0 };
  #sending = false;
  /** What `take` throws, and the reason for it. */
  #failure: SinkError | undefined;
  #why: string | undefined;
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
    if (this.#bytes >= bufferBytes) this.#sendQueued(); // first, so that as little as possible is dropped
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
    if (this.#queue.length > 0 && !failed)
      log.info(`${id}: waiting for the server to accept ${left()} events`);
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
    this.#queue = []; // they wait for nothing any more
    this.#dropped += lost;
    signal.removeEventListener("abort", this.#change.tell);
    if (lost > 0)
      throw new SinkError(
        "SINK_UNSENT",
        `${id}: ${lost} events lost because the server did not accept them (${this.#why ?? this.#link.trouble ?? "no answer"}); use \`stream\` to keep them`,
      );
    if (this.#failure && !failed) throw this.#failure; // `take` could no longer report it
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
        `${this.#settings.id}: ${this.#open.events} events may be lost; they were in flight when the connection broke`,
      );
    }
    this.#open = { events: 0, bytes: 0 };
    this.#unasked = { events: 0, bytes: 0 };
    this.#change.tell();
  }

  complaint(message: string, error: Error): void {
    const { id, log } = this.#settings;
    if (error.name === "PermissionViolationError") this.#fail(message, error);
    else log.debug(`${id}: ${message}`);
    this.#change.tell();
  }

  get #bytes(): number {
    return this.#queuedBytes + this.#open.bytes;
  }

  /** Only half of the buffer may be in flight; the rest stays here, where it can be dropped if the server hangs. */
  get #mayBeOpen(): number {
    return this.#settings.bufferBytes / 2;
  }

  /** Messages in one piece of memory are sent together, once the piece is full or soon after. */
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
        this.#nats = undefined; // `lost` will report it
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

  /** The oldest waiting messages that are contiguous in memory and may be in flight. */
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

  /** Whether the server accepts a message of that size; if not, the run fails. */
  #fits(nats: Nats, frame: Buffer): boolean {
    try {
      nats.checkSize(frame);
      return true;
    } catch (cause) {
      this.#fail(`an event of ${frame.length} bytes cannot be sent: ${messageOf(cause)}`, cause);
      return false;
    }
  }

  #fail(why: string, cause: unknown): void {
    this.#why ??= why;
    this.#failure ??= new SinkError("SINK_WRITE", `${this.#settings.id}: ${why}`, { cause });
  }

  /** Asks whether everything sent so far has arrived; the answer follows it in order. */
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
      () => clearTimeout(late), // the connection has ended, and `lost` has counted the events
    );
  }

  async #room(): Promise<void> {
    const { signal, id, bufferBytes } = this.#settings;
    while (this.#bytes >= bufferBytes) {
      if (signal.aborted)
        throw new SinkError(
          "SINK_WRITE",
          `${id}: stopped while the buffer was full (${this.#link.trouble ?? "slow server"})`,
        );
      await this.#change.wait(1000);
      if (this.#failure) throw this.#failure;
    }
  }

  #sayFull(): void {
    const { id, log, bufferBytes, dropsOldest } = this.#settings;
    if (!this.#fullSaid)
      log.warn(
        `${id}: the buffer is full (${bufferBytes} bytes); ${dropsOldest ? "dropping the oldest events" : "the sources wait"}`,
      );
    this.#fullSaid = true;
  }
}
