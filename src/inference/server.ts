import { randomUUID } from "node:crypto";
import { headers, type Msg, type Subscription } from "@nats-io/transport-node";
import { messageOf } from "../errors.js";
import type { Engine } from "../model/engine/index.js";
import type { Model } from "../model/load.js";
import type { Nats } from "../nats/index.js";
import {
  bytesOf,
  ERROR_HEADER,
  floatsOf,
  GROUP,
  PROVIDER_HEADER,
  subjectsOf,
  TIMEOUT_HEADER,
  WORKER_HEADER,
} from "./protocol.js";

/** Maximum number of crops per batch. */
const MAX_BATCH = 256;
/** Maximum number of waiting crops; further requests are refused, so that clients ask another worker. */
const MAX_WAITING = 2048;
/** A worker further behind than this does not report itself available, ms. */
const BEHIND_MS = 250;
const DEFAULT_TIMEOUT_MS = 1000;

/** Figures of one model on an inference worker. */
export interface InferenceFigures {
  readonly model: string;
  readonly version: string;
  readonly provider: string;
  requests: number;
  /** Requests answered with an error, or dropped because the client had stopped waiting. */
  refused: number;
  batches: number;
  faces: number;
  busyMs: number;
  /** Crops currently waiting. */
  waiting: number;
}

interface Request {
  readonly message: Msg;
  readonly n: number;
  readonly untilMs: number;
  readonly sinceMs: number;
}

/**
 * Answers requests for one model. Requests that arrive while a batch runs form the next one, so batches grow with the
 * load and nobody waits for one to fill.
 */
export class InferenceServer {
  readonly figures: InferenceFigures;
  readonly #engine: Engine;
  readonly #model: Model;
  readonly #worker: string;
  /** What it is asked by: unlike its name, unique and part of a subject. */
  readonly #id = randomUUID();
  readonly #subscriptions: Subscription[];
  readonly #queue: Request[] = [];
  #running: Promise<void> | undefined;
  /** When the engine started its current batch. */
  #busySinceMs: number | undefined;

  /**
   * Listens until `close`; the caller closes the engine.
   *
   * @param worker its name, for people
   */
  constructor(nats: Nats, model: Model, engine: Engine, worker: string) {
    const { name, version } = model.card;
    this.#engine = engine;
    this.#model = model;
    this.#worker = worker;
    this.figures = {
      model: name,
      version,
      provider: engine.provider,
      requests: 0,
      refused: 0,
      batches: 0,
      faces: 0,
      busyMs: 0,
      waiting: 0,
    };
    const { any, who, one } = subjectsOf(model);
    // An error (e.g. a forbidden subscription) comes without a message; the connection's watcher reports it.
    const take = (error: unknown, message: Msg) => {
      if (!error) this.#take(message);
    };
    const { connection } = nats;
    this.#subscriptions = [
      connection.subscribe(any, { queue: GROUP, callback: take }),
      connection.subscribe(one(this.#id), { callback: take }),
      connection.subscribe(who, { callback: (error, message) => void (error || this.#offer(message)) }),
    ];
  }

  /** Accepts no more requests, and answers those it has. */
  async close(): Promise<void> {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    while (this.#running) await this.#running;
  }

  #offer(message: Msg): void {
    const now = performance.now();
    const behindMs = now - Math.min(this.#queue[0]?.sinceMs ?? now, this.#busySinceMs ?? now);
    if (behindMs <= BEHIND_MS) message.respond(this.#id);
  }

  #take(message: Msg): void {
    this.figures.requests++;
    const { width, height } = this.#model.card.input;
    const n = message.data.length / (width * height * Float32Array.BYTES_PER_ELEMENT);
    if (!Number.isInteger(n) || n === 0)
      this.#refuse(
        message,
        `${message.data.length} bytes are not a whole number of ${width}x${height} crops`,
      );
    else if (this.figures.waiting + n > MAX_WAITING && this.#queue.length > 0)
      this.#refuse(message, "worker overloaded");
    else this.#enqueue(message, n);
  }

  #enqueue(message: Msg, n: number): void {
    const sinceMs = performance.now();
    const timeoutMs = Number(message.headers?.get(TIMEOUT_HEADER)) || DEFAULT_TIMEOUT_MS;
    this.#queue.push({ message, n, sinceMs, untilMs: sinceMs + timeoutMs });
    this.figures.waiting += n;
    this.#running ??= this.#work().finally(() => {
      this.#running = undefined;
    });
  }

  async #work(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      if (batch.length > 0) await this.#run(batch);
    }
  }

  /** If a batch fails, each of its requests is run alone: the crops of one client must not fail those of others. */
  async #run(batch: readonly Request[]): Promise<void> {
    const failure = await this.#attempt(batch);
    if (failure === undefined) return;
    if (batch.length > 1) for (const request of batch) await this.#run([request]);
    else for (const { message } of batch) this.#refuse(message, failure);
  }

  /** Runs and answers a batch. Returns why that failed. */
  async #attempt(batch: readonly Request[]): Promise<string | undefined> {
    const faces = batch.reduce((sum, { n }) => sum + n, 0);
    const begunMs = performance.now();
    this.#busySinceMs = begunMs;
    try {
      const probabilities = await this.#engine.run(joined(batch), faces);
      this.#answer(batch, probabilities);
      this.figures.batches++;
      this.figures.faces += faces;
      return undefined;
    } catch (error) {
      return messageOf(error);
    } finally {
      this.#busySinceMs = undefined;
      this.figures.busyMs += performance.now() - begunMs;
    }
  }

  /** Requests for one batch, without those whose client has stopped waiting. */
  #nextBatch(): Request[] {
    const batch: Request[] = [];
    let faces = 0;
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      if (faces > 0 && faces + next.n > MAX_BATCH) break;
      this.#queue.shift();
      this.figures.waiting -= next.n;
      if (performance.now() > next.untilMs) this.figures.refused++;
      else {
        batch.push(next);
        faces += next.n;
      }
    }
    return batch;
  }

  #answer(batch: readonly Request[], probabilities: Float32Array): void {
    const classes = this.#model.card.labels.length;
    let at = 0;
    for (const { message, n } of batch) {
      const own = headers();
      own.set(WORKER_HEADER, this.#worker);
      own.set(PROVIDER_HEADER, this.#engine.provider);
      message.respond(bytesOf(probabilities.subarray(at * classes, (at + n) * classes)), { headers: own });
      at += n;
    }
  }

  #refuse(message: Msg, why: string): void {
    this.figures.refused++;
    const own = headers();
    own.set(ERROR_HEADER, why.replace(/[\r\n]+/g, " "));
    message.respond(undefined, { headers: own });
  }
}

function joined(batch: readonly Request[]): Float32Array {
  const [only] = batch;
  if (only && batch.length === 1) return floatsOf(only.message.data);
  const bytes = new Uint8Array(batch.reduce((sum, { message }) => sum + message.data.length, 0));
  let at = 0;
  for (const { message } of batch) {
    bytes.set(message.data, at);
    at += message.data.length;
  }
  return new Float32Array(bytes.buffer);
}
