import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { JsMsg } from "@nats-io/jetstream";
import { cores } from "../cores.js";
import { makeFolder } from "../disk.js";
import { messageOf } from "../errors.js";
import { type JobKind, JobQueue, type QueueSettings, unreadable } from "../jobs/index.js";
import type { Nats } from "../nats/index.js";
import type { Log } from "../pipeline/context.js";
import { HeldJob, type JobPolicy, type Outcome } from "./held-job.js";
import { LoadMeter, Room, type RoomSettings } from "./load.js";
import { monotonicMs } from "./messages.js";

export interface WorkerOptions extends JobPolicy, RoomSettings {
  readonly nats: Nats;
  readonly queue: Partial<QueueSettings>;
  readonly take: readonly JobKind[];
  /** How long recordings may keep running after a stop, ms. */
  readonly graceMs: number;
  readonly log: Log;
  /** Aborted to stop cleanly: jobs are handed over. */
  readonly stop: AbortSignal;
  /** Aborted to stop at once. */
  readonly abort: AbortSignal;
}

/** A snapshot of a worker's figures. */
export interface WorkerFigures {
  readonly jobs: readonly HeldJob[];
  /** Jobs that have left, by kind and outcome. */
  readonly left: readonly { readonly kind: JobKind; readonly outcome: Outcome; readonly count: number }[];
  /** Share of CPU time in use, 0 to 1. */
  readonly load: number;
  /** Jobs in the whole queue waiting for a worker, as of the last query; absent if the server did not answer. */
  readonly waiting: Readonly<Partial<Record<JobKind, number>>>;
  /** Why the queue currently delivers no jobs. */
  readonly trouble: string | undefined;
}

/** Duration of a pull request; a longer one may deliver a job to a worker that is already gone, ms. */
const PULL_MS = 2000;
const TICK_MS = 1000;
const ASK_QUEUE_EVERY = 10;
/** Pause between two jobs, so that the workers of a fleet take turns. */
const TURN_MS = 250;
/** How long a camera returned for lack of capacity is not offered again. */
const ELSEWHERE_MS = 5000;

/** Takes jobs as long as there is capacity for them. */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #queue: JobQueue;
  readonly #meter = new LoadMeter();
  readonly #room: Room;
  readonly #jobs = new Map<HeldJob, Promise<void>>();
  readonly #left = new Map<string, { kind: JobKind; outcome: Outcome; count: number }>();
  readonly #waiting: Partial<Record<JobKind, number>> = {};
  #load = 0;
  #ticks = 0;
  #trouble: string | undefined;
  #restoring: Promise<void> | undefined;
  /** Jobs already reported as unparsable. */
  readonly #unreadable = new Set<string>();

  private constructor(options: WorkerOptions, queue: JobQueue) {
    this.#options = options;
    this.#queue = queue;
    this.#room = new Room(options, cores());
  }

  /** Opens the queue. Rejects with `NatsError` if that fails. */
  static async open(options: WorkerOptions): Promise<Worker> {
    await makeFolder(options.rules.folder);
    return new Worker(options, await JobQueue.open(options.nats, options.queue));
  }

  get figures(): WorkerFigures {
    return {
      jobs: [...this.#jobs.keys()],
      left: [...this.#left.values()],
      load: this.#load,
      waiting: this.#waiting,
      trouble: this.#trouble,
    };
  }

  /** Settings of the queue on the server. */
  get queue(): QueueSettings {
    return this.#queue.settings;
  }

  /** Works until `stop` or `abort`. */
  async run(): Promise<void> {
    const { take, stop, abort } = this.#options;
    const timer = setInterval(() => this.#tick(), TICK_MS);
    const ended = AbortSignal.any([stop, abort]);
    try {
      const taking = Promise.all(take.map((kind) => this.#takeAll(kind, ended)));
      await Promise.race([taking, lastPull(ended, abort)]);
      await this.#handOver();
    } finally {
      clearInterval(timer);
    }
  }

  async #takeAll(kind: JobKind, ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      if (!this.#hasRoom(kind)) {
        await pause(TURN_MS, ended);
        continue;
      }
      const askedAtMs = monotonicMs();
      const message = await this.#next(kind, ended);
      if (!message) continue;
      // A message delivered long ago may belong to another worker by now; ignore it after a suspension.
      if (monotonicMs() - askedAtMs > PULL_MS + TICK_MS) continue;
      if (ended.aborted) message.nak();
      else await this.#begin(message, ended);
      await pause(TURN_MS, ended);
    }
  }

  async #next(kind: JobKind, ended: AbortSignal): Promise<JsMsg | undefined> {
    try {
      const message = await this.#queue.next(kind, PULL_MS);
      this.#atWork();
      return message;
    } catch (error) {
      if (ended.aborted) return undefined;
      this.#options.log.debug(`requesting a ${kind} failed: ${messageOf(error)}`);
      await this.#restore();
      await pause(TICK_MS, ended);
      return undefined;
    }
  }

  /** Recreates the queue if the server has lost it; one attempt at a time, whoever asks. */
  #restore(): Promise<void> {
    this.#restoring ??= this.#tryRestore().finally(() => {
      this.#restoring = undefined;
    });
    return this.#restoring;
  }

  async #tryRestore(): Promise<void> {
    const { log } = this.#options;
    try {
      if (await this.#queue.restore())
        log.warn(
          "the job queue was missing on the server and has been recreated; submit its jobs again (cancel and retry those that `pipeline jobs` still lists)",
        );
    } catch (error) {
      const trouble = messageOf(error);
      if (trouble !== this.#trouble) log.warn(`${trouble}; no jobs are taken until it is available`);
      this.#trouble = trouble;
    }
  }

  #atWork(): void {
    if (this.#trouble !== undefined) this.#options.log.info("the job queue is available again");
    this.#trouble = undefined;
  }

  async #begin(message: JsMsg, ended: AbortSignal): Promise<void> {
    const { log, worker, maxTries } = this.#options;
    const claimedAtMs = monotonicMs();
    message.working();
    try {
      const claim = await this.#queue.claim(message, worker, maxTries);
      if (claim === "set aside") {
        const [kind, job] = message.subject.split(".").slice(-2) as [JobKind, string];
        log.error(`${job}: set aside: its worker was lost, the last of ${maxTries} consecutive failures`, {
          job,
        });
        this.#count(kind, claim);
      }
      if (claim === "unreadable") {
        const id = message.subject.split(".").at(-1) ?? "";
        if (!this.#unreadable.has(id)) log.warn(unreadable(id), { job: id });
        this.#unreadable.add(id);
      }
      if (typeof claim !== "object") return;
      if (ended.aborted) {
        await this.#queue.giveBack(claim, { failures: claim.record.job.failures });
        return;
      }
      const { id, tries, reason } = claim.record.job;
      const why = reason === undefined ? "" : `; previously: ${reason}`;
      log.info(`${id}: taken${tries > 1 ? `, attempt ${tries}${why}` : ""}`, { job: id, tries });
      const held = new HeldJob(this.#queue, claim, claimedAtMs, this.#options, log);
      this.#jobs.set(held, this.#follow(held));
    } catch (error) {
      log.warn(`${message.subject}: not taken: ${messageOf(error)}`);
      await this.#restore();
    }
  }

  async #follow(held: HeldJob): Promise<void> {
    const outcome = await held.left;
    this.#jobs.delete(held);
    this.#count(held.kind, outcome);
    this.#options.log.info(`${held.id}: ${outcome}`, { job: held.id, outcome });
  }

  #count(kind: JobKind, outcome: Outcome): void {
    const key = `${kind} ${outcome}`;
    const entry = this.#left.get(key) ?? { kind, outcome, count: 0 };
    entry.count++;
    this.#left.set(key, entry);
  }

  #hasRoom(kind: JobKind): boolean {
    // A recording uses all CPU time it gets, so one at a time.
    if (kind === "recording" && [...this.#jobs.keys()].some((job) => job.kind === "recording")) return false;
    return this.#room.forOneMore(this.#load, this.#loaded());
  }

  #loaded() {
    const now = monotonicMs();
    return [...this.#jobs.keys()].map(({ startedAtMs, dropped }) => ({ ageMs: now - startedAtMs, dropped }));
  }

  #tick(): void {
    this.#load = this.#meter.sample();
    const cameras = [...this.#jobs.keys()].filter(({ kind }) => kind === "camera");
    if (this.#room.tooFull(this.#loaded(), monotonicMs()) && cameras.length > 1)
      cameras.at(-1)?.giveBack(ELSEWHERE_MS, `worker ${this.#options.worker} could not keep up with it`);
    if (this.#ticks++ % ASK_QUEUE_EVERY === 0) void this.#askQueue();
  }

  async #askQueue(): Promise<void> {
    for (const kind of this.#options.take) {
      const count = await this.#queue.waiting(kind).catch(() => undefined);
      if (count) this.#waiting[kind] = count.waiting;
      else delete this.#waiting[kind];
    }
  }

  /** Returns cameras at once; recordings get `graceMs` to finish. */
  async #handOver(): Promise<void> {
    const { graceMs, abort } = this.#options;
    for (const job of this.#jobs.keys()) if (job.kind === "camera") job.giveBack();
    const empty = new AbortController();
    const all = Promise.all(this.#jobs.values()).finally(() => empty.abort());
    await pause(graceMs, AbortSignal.any([abort, empty.signal]));
    for (const job of this.#jobs.keys()) {
      if (abort.aborted) job.drop();
      else job.giveBack();
    }
    const aborted = new Promise<void>((resolve) =>
      abort.addEventListener("abort", () => resolve(), { once: true }),
    );
    await Promise.race([all, aborted]);
    for (const job of this.#jobs.keys()) job.drop();
    await all;
  }
}

/** Sleeps until the time is over or the signal aborts. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal, ref: true }).catch(() => {});
}

/** Resolves once a pull should have returned after a stop, which it never does without a server; at once on `abort`. */
async function lastPull(ended: AbortSignal, abort: AbortSignal): Promise<void> {
  if (!ended.aborted) await once(ended, "abort");
  await sleep(PULL_MS + TICK_MS, undefined, { signal: abort, ref: false }).catch(() => {});
}
