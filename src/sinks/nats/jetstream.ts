import type { StreamInfo } from "@nats-io/jetstream";
import { createInbox, type Msg } from "@nats-io/transport-node";
import { Pieces } from "../../bytes.js";
import { diskReason, isDiskFull } from "../../disk.js";
import { messageOf, SinkError } from "../../errors.js";
import type { EmotionEvent } from "../../events/event.js";
import { putEvent } from "../../events/json.js";
import {
  type ContentMode,
  ensureStream,
  type Nats,
  type NatsOptions,
  type OutgoingMessage,
  openJetStream,
  putMessage,
  type StreamOptions,
  type SubjectTemplate,
} from "../../nats/index.js";
import type { Log } from "../../pipeline/context.js";
import { Change } from "./change.js";
import type { Delivery } from "./delivery.js";
import { Link, type LinkOwner } from "./link.js";
import { Spool } from "./spool.js";

export interface JetStreamSettings {
  /** The sink's id, for messages. */
  readonly id: string;
  readonly nats: NatsOptions;
  /** Connection name shown in the server's monitoring. */
  readonly name: string;
  readonly stream: StreamOptions;
  readonly subject: SubjectTemplate;
  readonly mode: ContentMode;
  readonly spool: { readonly path: string; readonly maxBytes: number };
  /** Whether a full spool drops its oldest events; otherwise `take` waits. */
  readonly dropsOldest: boolean;
  readonly log: Log;
  /** Aborted to stop at once. */
  readonly signal: AbortSignal;
}

/** Maximum number of events sent but not acknowledged. */
const WINDOW = 1024;
/** How long a server may acknowledge nothing, with events in flight, before we reconnect. */
const ACK_MS = 5000;
/** How long `close` waits for a server that acknowledges nothing. */
const DRAIN_MS = 5000;
const RETRY_MS = { first: 250, longest: 5000 };
/** JetStream's error code for a message larger than the stream allows. */
const TOO_LARGE = 10054;

/** The server's own reply if no stream holds the subject: it was deleted, or JetStream is stopping. */
const NO_STREAM = 503;

/** An event in flight. */
interface Entry {
  readonly number: number;
  readonly track: string;
  readonly message: OutgoingMessage & { readonly json: Uint8Array };
}

/**
 * Delivers events to a JetStream stream: first to the spool, then to the server, and out of the spool once
 * acknowledged. The server recognises an event it already has by its id.
 *
 * The order within a track is kept: events in flight are sent over one connection in order, and all of them again
 * after it ends. If a stream may refuse one event and accept the next (because it is full, or a cluster changes its
 * leader), each track has only one event in flight.
 */
export class JetStreamDelivery implements Delivery, LinkOwner {
  readonly meanwhile: string;
  readonly #settings: JetStreamSettings;
  readonly #spool: Spool;
  readonly #link: Link;
  readonly #pieces = new Pieces();
  /** Events in flight, in order of their numbers. */
  readonly #window = new Map<number, Entry>();
  /** For tracks limited to one event in flight: that event, followed by those waiting. */
  readonly #tracks = new Map<string, Entry[]>();
  #strict = false;
  #publish: ((entry: Entry) => void) | undefined;
  /** Why the stream currently refuses events, which are then held back while one of them is tried; or the failure. */
  #refusal: string | undefined;
  #retryMs = RETRY_MS.first;
  /** Number of the event that the stream is tried with. */
  #tried: number | undefined;
  #retry: NodeJS.Timeout | undefined;
  #state: "away" | "sending" | "refused" | "trying" = "away";
  #progressAt = performance.now();
  readonly #watchdog: NodeJS.Timeout;
  #noting = false;
  #closed = false;
  #failure: SinkError | undefined;
  #dropped = 0;
  #duplicates = 0;
  #fullSaid = false;
  readonly #change = new Change();

  private constructor(settings: JetStreamSettings, spool: Spool) {
    this.#settings = settings;
    this.#spool = spool;
    this.meanwhile = `events wait in ${settings.spool.path}`;
    this.#link = new Link(settings.id, settings.nats, settings.name, settings.log, this);
    this.#watchdog = setInterval(() => this.#watch(), 1000);
    settings.signal.addEventListener("abort", this.#change.tell);
  }

  /** Opens the spool and the connection; events left in the spool by an earlier run are sent first. */
  static async open(settings: JetStreamSettings): Promise<JetStreamDelivery> {
    const { id, log, spool: where } = settings;
    const spool = await Spool.open(id, where.path, where);
    if (spool.damagedBytes > 0) log.warn(`${id}: ${where.path}: skipped ${spool.damagedBytes} damaged bytes`);
    const left = spool.end - spool.first;
    if (left > 0) log.info(`${id}: ${where.path}: sending ${left} events of an earlier run`);
    const delivery = new JetStreamDelivery(settings, spool);
    try {
      await delivery.#link.open();
    } catch (error) {
      await delivery.#end();
      throw error;
    }
    return delivery;
  }

  take(event: EmotionEvent): void | Promise<void> {
    if (this.#failure) throw this.#failure;
    const json = this.#pieces.take((to, at) => putEvent(to, at, event));
    if (this.#store(event, json)) return;
    this.#sayFull(json);
    if (!this.#settings.dropsOldest) return this.#room(event, json);
    while (!this.#store(event, json)) {
      if (this.#left() === 0) {
        this.#dropped++; // others have filled the disk
        return;
      }
      this.#dropOldest();
    }
  }

  figures(): Record<string, number> {
    return {
      waiting: this.#spool.end - this.#spool.first,
      dropped: this.#dropped,
      duplicates: this.#duplicates,
    };
  }

  async close(): Promise<void> {
    const { id, log, spool, signal } = this.#settings;
    let left = this.#left();
    if (left > 0 && !this.#failure) log.info(`${id}: waiting for the server to accept ${left} events`);
    for (let since = performance.now(); left > 0 && !signal.aborted && !this.#failure; ) {
      const waitMs = since + DRAIN_MS - performance.now();
      if (waitMs <= 0) break;
      await this.#change.wait(waitMs);
      if (this.#left() < left) since = performance.now();
      left = this.#left();
    }
    left = this.#left();
    const why = this.#refusal ?? this.#link.trouble ?? "no acknowledgements";
    await this.#end();
    if (left > 0)
      throw new SinkError(
        "SINK_UNSENT",
        `${id}: ${left} events not sent (${why}); they are kept in ${spool.path}, and the next run sends them`,
      );
  }

  async opened(nats: Nats): Promise<void> {
    const manager = await openJetStream(nats);
    const { stream, subject } = this.#settings;
    const { config } = await ensureStream(manager, stream, subject.pattern, nats.shown);
    this.#strict = mayRefuseOne(config);
    const inbox = `${createInbox()}.`;
    nats.connection.subscribe(`${inbox}*`, {
      callback: (error, message) => {
        if (!error && this.#publish === publish)
          this.#answered(Number(message.subject.slice(inbox.length)), message);
      },
    });
    const publish = ({ number, message }: Entry) => {
      const sent = { ...message, reply: `${inbox}${number}` };
      const frame = this.#pieces.take((to, at) => putMessage(to, at, sent));
      nats.checkSize(frame);
      nats.send(frame); // if the connection has just ended, everything is sent again over the next one
    };
    this.#publish = publish;
    this.#begin();
  }

  lost(): void {
    this.#publish = undefined;
    this.#state = "away";
    if (!this.#failure) this.#refusal = undefined; // the next connection shows whether it still does
    clearTimeout(this.#retry);
  }

  complaint(message: string, error: Error): void {
    const { id, log } = this.#settings;
    const { operation, subject } = error as { operation?: string; subject?: string };
    if (operation === "publish" && !subject?.startsWith("$JS.")) this.#fail(message, error);
    else log.debug(`${id}: ${message}`);
  }

  #left(): number {
    return this.#spool.end - this.#spool.first;
  }

  /** Stores an event and sends it when its turn comes. False: there is no room for it in the spool or on the disk. */
  #store(event: EmotionEvent, json: Buffer): boolean {
    if (!this.#spool.hasRoom(json)) return false;
    let number: number;
    try {
      number = this.#spool.append(json);
    } catch (error) {
      if (error instanceof SinkError && isDiskFull(error.cause)) return false;
      throw error;
    }
    if (this.#state !== "sending" || this.#window.size >= WINDOW) return true;
    if (this.#spool.position === number) {
      this.#spool.skip();
      this.#place(this.#enter(number, event, json));
    } else this.#more();
    return true;
  }

  #sayFull(json: Buffer): void {
    const { id, log, spool, dropsOldest } = this.#settings;
    if (!this.#fullSaid)
      log.warn(
        `${id}: ${this.#spool.hasRoom(json) ? `the disk of the spool ${spool.path} is full` : `the spool is full (${spool.maxBytes} bytes)`}; ${dropsOldest ? "dropping the oldest events" : "the sources wait"}`,
      );
    this.#fullSaid = true;
  }

  #enter(number: number, event: EmotionEvent, json: Buffer): Entry {
    const { subject, mode } = this.#settings;
    const { source, data } = event;
    if (this.#window.size === 0) this.#progressAt = performance.now();
    const entry: Entry = {
      number,
      track: `${source} ${data.track}`,
      message: { subject: subject.of(event), event, mode, json },
    };
    this.#window.set(number, entry);
    return entry;
  }

  /** Reads the next events from the spool into the window. */
  #fill(): Entry[] {
    const read: Entry[] = [];
    while (this.#window.size < WINDOW) {
      const record = this.#spool.next();
      if (!record) break;
      read.push(
        this.#enter(record.number, JSON.parse(record.bytes.toString("utf8")) as EmotionEvent, record.bytes),
      );
    }
    return read;
  }

  /** Sends an event, or queues it behind another of its track. */
  #place(entry: Entry): void {
    if (this.#strict) {
      const queue = this.#tracks.get(entry.track);
      if (queue) {
        queue.push(entry);
        return;
      }
      this.#tracks.set(entry.track, [entry]);
    }
    this.#send(entry);
  }

  /** Removes an event from those in flight, so that the next of its track can be sent. */
  #leave(entry: Entry): void {
    const queue = this.#tracks.get(entry.track);
    if (!queue) return;
    const at = queue.indexOf(entry);
    if (at >= 0) queue.splice(at, 1);
    const [next] = queue;
    if (!next) this.#tracks.delete(entry.track);
    else if (at === 0 && this.#state === "sending") this.#send(next);
  }

  #send(entry: Entry): void {
    try {
      this.#publish?.(entry);
    } catch (cause) {
      const { event, json } = entry.message;
      this.#fail(`event ${event.id} of ${json.length} bytes cannot be sent: ${messageOf(cause)}`, cause);
    }
  }

  /** Sends everything in the window, in order. */
  #begin(): void {
    this.#state = "sending";
    this.#progressAt = performance.now();
    this.#tracks.clear();
    for (const entry of [...this.#window.values()]) this.#place(entry);
    this.#more();
  }

  #more(): void {
    if (this.#state !== "sending") return;
    for (const entry of this.#fill()) this.#place(entry);
    if (this.#window.size === 0) this.#note(); // no acknowledgement will follow damaged records
  }

  #answered(number: number, message: Msg): void {
    const entry = this.#window.get(number);
    const answer = readAnswer(message);
    // A full spool may have dropped the event that the stream is tried with; its answer says the same of the stream.
    const tried = this.#state === "trying" && number === this.#tried;
    if (!answer || (!entry && !tried)) return;
    this.#progressAt = performance.now();
    const { error, duplicate } = answer;
    if (error?.code === NO_STREAM) this.#link.drop(error.description);
    else if (!entry) error ? this.#refused(error.description) : this.#takenAgain();
    else if (error?.code === TOO_LARGE) this.#tooLarge(entry);
    else if (error) this.#refused(error.description);
    else this.#acknowledged(entry, duplicate === true);
  }

  #acknowledged(entry: Entry, duplicate: boolean): void {
    if (duplicate) this.#duplicates++;
    this.#window.delete(entry.number);
    this.#note();
    if (this.#state === "trying") this.#takenAgain();
    else this.#leave(entry);
    if (this.#window.size < (3 / 4) * WINDOW) this.#more();
  }

  #tooLarge({ message: { event, json } }: Entry): void {
    const { stream } = this.#settings;
    const what = `event ${event.id} (${json.length} bytes) is larger than stream ${stream.name} allows`;
    this.#fail(`${what}; raise its max_msg_size`);
  }

  /** The stream refused an event: all wait a while, then the first one is tried. */
  #refused(description: string): void {
    if (this.#state !== "sending" && this.#state !== "trying") return;
    const { id, log, stream } = this.#settings;
    const why = `stream ${stream.name} refuses events: ${description}`;
    if (this.#refusal !== why) log.warn(`${id}: ${why}; ${this.meanwhile}; retrying`);
    this.#refusal = why;
    this.#state = "refused";
    this.#strict = true; // it may refuse another event and accept the one after it
    this.#retry = setTimeout(() => {
      this.#state = "trying";
      this.#progressAt = performance.now();
      const [first = this.#fill()[0]] = this.#window.values(); // all may have been dropped from a full spool
      this.#tried = first?.number;
      if (first) this.#send(first);
      else this.#takenAgain();
    }, this.#retryMs);
    this.#retryMs = Math.min(RETRY_MS.longest, this.#retryMs * 2);
  }

  #takenAgain(): void {
    const { id, log, stream } = this.#settings;
    log.info(`${id}: stream ${stream.name} accepts events again`);
    this.#refusal = undefined;
    this.#retryMs = RETRY_MS.first;
    this.#begin();
  }

  /** Records deliveries in the spool, once for all acknowledgements of this turn. */
  #note(): void {
    if (this.#noting) return;
    this.#noting = true;
    setImmediate(() => {
      this.#noting = false;
      if (this.#closed) return;
      const [oldest = this.#spool.position] = this.#window.keys();
      try {
        this.#spool.delivered(oldest);
      } catch (cause) {
        this.#fail(`the spool ${this.#settings.spool.path} cannot be written: ${diskReason(cause)}`, cause);
      }
      this.#change.tell();
    });
  }

  #dropOldest(): void {
    const before = this.#spool.first;
    const readTo = this.#spool.position;
    const first = this.#spool.dropOldest();
    for (const entry of [...this.#window.values()]) {
      if (entry.number >= first) break;
      this.#window.delete(entry.number);
      this.#leave(entry);
      this.#dropped++;
    }
    this.#dropped += Math.max(0, first - Math.max(before, readTo));
  }

  /** Stores an event once there is room for it. */
  async #room(event: EmotionEvent, json: Buffer): Promise<void> {
    const { signal, id } = this.#settings;
    while (!this.#store(event, json)) {
      if (signal.aborted)
        throw new SinkError(
          "SINK_WRITE",
          `${id}: stopped while the spool was full (${this.#link.trouble ?? this.#refusal ?? "slow server"})`,
        );
      await this.#change.wait(1000);
      if (this.#failure) throw this.#failure;
    }
  }

  /** `take` throws the failure; `close` gives the reason too, since nothing more may be taken. */
  #fail(why: string, cause?: unknown): void {
    this.#failure ??= new SinkError("SINK_WRITE", `${this.#settings.id}: ${why}`, { cause });
    this.#refusal = why;
    this.#state = "refused";
    this.#change.tell();
  }

  #watch(): void {
    const silent = performance.now() - this.#progressAt > ACK_MS;
    const underWay = this.#state === "trying" || (this.#state === "sending" && this.#window.size > 0);
    if (underWay && silent) this.#link.drop(`no acknowledgement for ${ACK_MS / 1000} s`);
  }

  async #end(): Promise<void> {
    clearInterval(this.#watchdog);
    clearTimeout(this.#retry);
    this.#settings.signal.removeEventListener("abort", this.#change.tell);
    await this.#link.close();
    this.#closed = true;
    this.#spool.close();
  }
}

/** Whether a stream may refuse one event and accept the next. */
function mayRefuseOne({ num_replicas, discard }: StreamInfo["config"]): boolean {
  return num_replicas > 1 || discard === "new";
}

interface Refusal {
  readonly code: number;
  readonly description: string;
}

/** The stream's answer; undefined for any other, since subscribers can reply to events, too. */
function readAnswer(message: Msg): { readonly error?: Refusal; readonly duplicate?: boolean } | undefined {
  if (message.headers?.code === NO_STREAM)
    return { error: { code: NO_STREAM, description: `no stream holds its subject any more` } };
  const { error, stream, duplicate } = fieldsOf(message);
  if (error) return { error: { code: error.err_code ?? 0, description: error.description ?? "unknown" } };
  return typeof stream === "string" ? { duplicate: duplicate === true } : undefined;
}

interface Answer {
  readonly error?: { readonly err_code?: number; readonly description?: string };
  readonly stream?: unknown;
  readonly duplicate?: unknown;
}

function fieldsOf(message: Msg): Answer {
  try {
    return message.json<Answer | null>() ?? {};
  } catch {
    return {}; // not JSON
  }
}
