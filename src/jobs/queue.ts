import {
  AckPolicy,
  type Consumer,
  type ConsumerInfo,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
  jetstream,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "@nats-io/jetstream";
import { type KV, Kvm } from "@nats-io/kv";
import { EkspresiError, NatsError } from "../errors.js";
import { type Nats, openJetStream, watchNats } from "../nats/index.js";
import { isJobId, type Job, type JobKind, type JobProgress, type JobSpec, parseJob } from "./job.js";

export const STREAM = "EKSPRESI_JOBS";
const BUCKET = "EKSPRESI_JOBS";
/** Names of the durable consumers, which autoscalers watch. */
const CONSUMERS: Record<JobKind, string> = { camera: "cameras", recording: "recordings" };
const SUBJECT = "ekspresi.jobs";

/** JetStream error codes that are expected here. */
const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;
const WRONG_REVISION = 10071;
const NOT_STORED = 10077;
const MESSAGE_GONE = [10043, 10057];

/** Settings of the queue; one that exists is used as it is. */
export interface QueueSettings {
  /** How long a worker may be silent before its jobs go to other workers, ms. */
  readonly ackWaitMs: number;
  /** Copies of each message in a cluster. */
  readonly replicas: number;
}

const DEFAULT_QUEUE: QueueSettings = { ackWaitMs: 6000, replicas: 1 };

/** A job at one revision, which the next change must name, so that only one of two concurrent changes succeeds. */
export interface JobRecord {
  readonly job: Job;
  readonly revision: number;
}

/** A job as read from the server. */
export interface StoredJob extends JobRecord {
  /** When it was last changed, ms since 1970 by the server's clock. */
  readonly changedAtMs: number;
}

/** A job as given to a worker: its message and the worker's claim. */
export interface Claim {
  readonly message: JsMsg;
  readonly record: JobRecord;
}

/**
 * Jobs on JetStream. A work queue has one message for each waiting or running job, delivered to one worker at a time. A
 * key-value bucket has the job's definition and progress; its revisions act as a fence: a worker without the newest one
 * has lost the job.
 */
export class JobQueue {
  readonly #nats: Nats;
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #kv: KV;
  readonly #wanted: QueueSettings;
  readonly #consumers = new Map<JobKind, Consumer>();
  /** The newest revision when the connection was last restored; the server's clock may differ from ours. */
  #back = Promise.resolve(0);
  #away = false;
  #settings: QueueSettings;

  private constructor(
    nats: Nats,
    jsm: JetStreamManager,
    js: JetStreamClient,
    kv: KV,
    wanted: QueueSettings,
    settings: QueueSettings,
  ) {
    this.#nats = nats;
    this.#wanted = wanted;
    this.#jsm = jsm;
    this.#js = js;
    this.#kv = kv;
    this.#settings = settings;
    void watchNats(nats, {
      lost: () => {
        this.#away = true;
      },
      back: () => {
        this.#away = false;
        this.#back = this.#newestRevision();
        this.#back.catch(() => {}); // it is asked again when needed
      },
    });
  }

  /** The server's, which may differ from the requested ones. */
  get settings(): QueueSettings {
    return this.#settings;
  }

  /** Opens the queue; creates its streams if necessary. Rejects with `NatsError`. */
  static async open(nats: Nats, settings: Partial<QueueSettings> = {}): Promise<JobQueue> {
    const jsm = await openJetStream(nats);
    const wanted = { ...DEFAULT_QUEUE, ...settings };
    try {
      const js = jetstream(nats.connection);
      const { kv, settings } = await ensureQueue(jsm, js, wanted);
      return new JobQueue(nats, jsm, js, kv, wanted, settings);
    } catch (cause) {
      throw explained(nats, "the job queue cannot be opened", cause);
    }
  }

  /**
   * Recreates what the server has lost of the queue; returns whether that was so. Does nothing while disconnected.
   * Rejects with `NatsError` if the queue cannot be used.
   */
  async restore(): Promise<boolean> {
    if (this.#away) return false;
    try {
      const { made, settings } = await ensureQueue(this.#jsm, this.#js, this.#wanted);
      this.#settings = settings;
      if (made) this.#back = Promise.resolve(0); // revisions may start again
      return made;
    } catch (cause) {
      throw explained(this.#nats, "the job queue cannot be used", cause);
    }
  }

  /**
   * Adds a job. Replaces a done, cancelled or set-aside job with the same id; rejects with `JOB_EXISTS` if that is
   * waiting or running.
   */
  async submit(id: string, spec: JobSpec): Promise<void> {
    const now = new Date().toISOString();
    const job: Job = { id, spec, state: "queued", tries: 0, failures: 0, submitted: now, since: now };
    const stale = await this.#messagesOf(id);
    const before = await this.find(id);
    if (!before) await this.#checkReadable(id);
    if (before && (before.job.state === "queued" || before.job.state === "running"))
      throw new EkspresiError(
        "JOB_EXISTS",
        `job ${id} is ${describe(before.job)}; cancel it first (pipeline jobs cancel ${id}) or choose another --id`,
      );
    await this.#enqueue(job, before, stale);
  }

  /** Returns a failed, cancelled or done job to the queue and resets its attempts. */
  async retry(id: string): Promise<void> {
    const messages = await this.#messagesOf(id);
    const before = await this.#require(id);
    const { job } = before;
    if (job.state === "running")
      throw new EkspresiError("JOB_RUNNING", `job ${id} is ${describe(job)}; cancel it first`);
    // A worker may just be taking a waiting job, whose message is then its claim on it.
    const stale = job.state === "queued" ? [] : messages;
    const { reason: _reason, worker: _worker, progress: _progress, ...rest } = job;
    const queued: Job = { ...rest, state: "queued", tries: 0, failures: 0, since: new Date().toISOString() };
    await this.#enqueue(queued, before, stale);
  }

  /** Cancels a job for good; a worker that has it stops soon. */
  async cancel(id: string): Promise<void> {
    for (;;) {
      const messages = await this.#messagesOf(id);
      const record = await this.#require(id);
      const { state } = record.job;
      if (state === "done" || state === "cancelled") return;
      const { progress: _progress, ...job } = record.job;
      if (await this.#change(record, { ...job, state: "cancelled", since: new Date().toISOString() }))
        return this.#drop(messages);
    }
  }

  /** Deletes a job that is neither waiting nor running, or that cannot be parsed. */
  async remove(id: string): Promise<void> {
    const messages = await this.#messagesOf(id);
    const stored = await this.#stored(id);
    if (!stored) throw missing(id);
    const { job, revision } = stored;
    if (job?.state === "queued" || job?.state === "running")
      throw new EkspresiError("JOB_RUNNING", `job ${id} is ${describe(job)}; cancel it first`);
    const purged = await this.#kv.purge(id, { previousSeq: revision }).then(() => true, unlessConflict);
    if (!purged) throw changed(id);
    await this.#drop(messages);
  }

  async find(id: string): Promise<StoredJob | undefined> {
    const stored = await this.#stored(id);
    return stored?.job && { ...stored, job: stored.job };
  }

  /** All jobs by id; only the id for one that cannot be parsed, e.g. from another version. */
  async list(): Promise<(StoredJob | string)[]> {
    // A job that changes in the meantime is listed again.
    const ids = new Set<string>();
    for await (const id of await this.#kv.keys()) ids.add(id);
    const records: (StoredJob | string)[] = [];
    for (const id of [...ids].sort()) {
      const stored = await this.#stored(id);
      if (stored) records.push(stored.job ? { ...stored, job: stored.job } : id);
    }
    return records;
  }

  /** Number of messages of a kind waiting for a worker, and of those held by workers. */
  async waiting(kind: JobKind): Promise<{ waiting: number; held: number }> {
    const { num_pending, num_ack_pending } = await this.#jsm.consumers.info(STREAM, CONSUMERS[kind]);
    return { waiting: num_pending, held: num_ack_pending };
  }

  /** The next job's message, or undefined if none arrives within `expiresMs`. */
  async next(kind: JobKind, expiresMs: number): Promise<JsMsg | undefined> {
    const consumer = this.#consumers.get(kind) ?? (await this.#js.consumers.get(STREAM, CONSUMERS[kind]));
    this.#consumers.set(kind, consumer);
    return (await consumer.next({ expires: expiresMs })) ?? undefined;
  }

  /**
   * Claims a job for `worker`. A lost previous holder counts as a failed attempt, unless the server was away since its
   * last report, which says nothing about the job. Returns undefined if the job must not be run (any more), or was lost
   * so often that it is set aside; its message is then removed. One that cannot be parsed is left to another version.
   */
  async claim(
    message: JsMsg,
    worker: string,
    maxTries: number,
  ): Promise<Claim | "set aside" | "unreadable" | undefined> {
    const id = message.subject.split(".").at(-1) ?? "";
    for (;;) {
      const before = await this.find(id);
      if (!before && (await this.#isUnreadable(id))) {
        message.nak(UNREADABLE_MS);
        return "unreadable";
      }
      if (!before || (before.job.state !== "queued" && before.job.state !== "running")) {
        message.term();
        return undefined;
      }
      const { progress: _progress, ...job } = before.job;
      const lost = job.state === "running";
      const away = lost && before.revision <= (await this.#revisionWhenBack());
      const failures = job.failures + (lost && !away ? 1 : 0);
      const holder = `worker ${job.worker ?? "?"}`;
      const reason = !lost
        ? job.reason
        : away
          ? `NATS was away while ${holder} was running the job`
          : `${holder} was lost while running the job`;
      const since = new Date().toISOString();
      if (failures >= maxTries) {
        if (!(await this.#change(before, failed(before.job, reason ?? "failed", failures)))) continue;
        message.term();
        return "set aside";
      }
      const running: Job = {
        ...job,
        state: "running",
        tries: job.tries + 1,
        failures,
        worker,
        since,
        ...(reason !== undefined && { reason }),
      };
      const record = await this.#change(before, running).catch(async (cause: unknown) => {
        const now = await this.find(id); // an answer that comes late, or never, has claimed it all the same
        if (now && isSameTry(now.job, running)) return now;
        throw cause;
      });
      if (record) return { message, record };
    }
  }

  /**
   * Tells the server that the job is still in progress, with figures. Returns the new record, or undefined if the job
   * was lost to another worker or cancelled by a user. Rejects if the server does not answer.
   */
  async renew({ message, record }: Claim, change: RenewedFields): Promise<JobRecord | undefined> {
    message.working();
    return this.#changeHeld(record, (job) => ({ ...job, ...change }));
  }

  /** Returns a job for another worker, now or after a delay. False if it was already lost. */
  async giveBack(claim: Claim, change: { reason?: string; failures: number }, delayMs = 0): Promise<boolean> {
    const queued = ({ worker: _worker, progress: _progress, reason: _reason, ...job }: Job): Job => ({
      ...job,
      ...change,
      state: "queued",
      since: new Date().toISOString(),
    });
    const done = (await this.#changeHeld(claim.record, queued)) !== undefined;
    if (done) claim.message.nak(delayMs);
    return done;
  }

  /** Marks a recording as done. False if it was already lost. */
  async finish({ message, record }: Claim): Promise<boolean> {
    const done = await this.#changeHeld(record, ({ reason: _reason, ...job }) => ({
      ...job,
      state: "done",
      failures: 0,
      since: new Date().toISOString(),
    }));
    if (done) await message.ackAck().catch(() => {}); // otherwise it is delivered again, and removed then
    return done !== undefined;
  }

  /** Removes a job that cannot be done from the queue and keeps the reason. False if it was already lost. */
  async setAside({ message, record }: Claim, reason: string, failures: number): Promise<boolean> {
    const done = await this.#changeHeld(record, (job) => failed(job, reason, failures));
    if (done) message.term();
    return done !== undefined;
  }

  async #require(id: string): Promise<JobRecord> {
    const record = await this.find(id);
    if (record) return record;
    await this.#checkReadable(id);
    throw missing(id);
  }

  async #checkReadable(id: string): Promise<void> {
    if (await this.#isUnreadable(id)) throw new EkspresiError("JOB_UNREADABLE", unreadable(id));
  }

  async #isUnreadable(id: string): Promise<boolean> {
    const stored = await this.#stored(id);
    return stored !== undefined && !stored.job;
  }

  /** What is stored under an id; without a job if that cannot be parsed. */
  async #stored(id: string) {
    if (!isJobId(id)) return undefined; // subjects and keys may contain anything
    const entry = await this.#kv.get(id);
    if (entry?.operation !== "PUT") return undefined;
    const job = parseJob(entry.string());
    const { revision, created } = entry;
    // Changing a job with a different id than its key would never succeed with this revision.
    return { job: job?.id === id ? job : undefined, revision, changedAtMs: created.getTime() };
  }

  /** @param stale messages of the job's earlier life, see `#messagesOf` */
  async #enqueue(job: Job, before: JobRecord | undefined, stale: readonly number[]): Promise<void> {
    const { id, spec } = job;
    let then = "";
    try {
      await this.#drop(stale);
      const stored = before
        ? await this.#change(before, job)
        : await this.#kv.create(id, JSON.stringify(job)).catch(unlessConflict);
      if (stored === undefined) throw changed(id);
      then = `; retry with \`pipeline jobs retry ${id}\``;
      await this.#js.publish(`${SUBJECT}.${spec.kind}.${id}`, id);
    } catch (cause) {
      if (cause instanceof EkspresiError) throw cause;
      if (isSubjectFull(cause)) return; // it is already waiting
      throw explained(this.#nats, `job ${id} could not be queued`, cause, then);
    }
  }

  /**
   * Sequence numbers of a job's messages. Asked before its record is read: those that a later submission adds are not
   * ours to delete.
   */
  async #messagesOf(id: string): Promise<number[]> {
    if (!isJobId(id)) return [];
    const found: number[] = [];
    for (const kind of Object.keys(CONSUMERS)) {
      const message = await this.#jsm.streams.getMessage(STREAM, {
        last_by_subj: `${SUBJECT}.${kind}.${id}`,
      });
      if (message) found.push(message.seq);
    }
    return found;
  }

  /** Deletes messages one by one: a purge by subject makes servers (2.9) skip all other waiting messages forever. */
  async #drop(messages: readonly number[]): Promise<void> {
    for (const message of messages)
      await this.#jsm.streams.deleteMessage(STREAM, message, false).catch(unlessGone);
  }

  #revisionWhenBack(): Promise<number> {
    this.#back = this.#back.catch(() => this.#newestRevision());
    return this.#back;
  }

  async #newestRevision(): Promise<number> {
    return (await this.#kv.status()).streamInfo.state.last_seq;
  }

  /** Changes a job that a worker holds; undefined if it has lost it. */
  async #changeHeld(held: JobRecord, change: (job: Job) => Job): Promise<JobRecord | undefined> {
    const record = await this.#change(held, change(held.job));
    if (record) return record;
    // A lost answer looks like a change by someone else.
    const now = await this.find(held.job.id);
    return now && isSameTry(now.job, held.job) ? this.#change(now, change(now.job)) : undefined;
  }

  /** Writes a job unless someone else has changed it in the meantime; then returns undefined. */
  async #change(before: JobRecord, job: Job): Promise<JobRecord | undefined> {
    const revision = await this.#kv
      .update(job.id, JSON.stringify(job), before.revision, ANSWER_MS)
      .catch(unlessConflict);
    return revision === undefined ? undefined : { job, revision };
  }
}

/** How long a job that cannot be parsed is not offered again. */
const UNREADABLE_MS = 30_000;
/** How long the server may take to answer a change, ms. */
const ANSWER_MS = 2000;

/** What a worker reports with each renewal. */
export interface RenewedFields {
  readonly progress?: JobProgress;
  readonly failures?: number;
}

/** Message for a job that cannot be parsed. */
export function unreadable(id: string): string {
  return `job ${id} cannot be parsed, another version of Ekspresi may have stored it; use that version, or remove the job (pipeline jobs remove ${id})`;
}

/** `running on worker a` or `queued`. */
export function describe({ state, worker }: Job): string {
  return state === "running" ? `running on ${worker ?? "a worker"}` : state;
}

/** By when it began: a job cancelled and retried may be back on the same worker, again as its first try. */
function isSameTry(a: Job, b: Job): boolean {
  return a.state === "running" && a.worker === b.worker && a.since === b.since;
}

/** A job set aside. */
function failed({ progress: _progress, ...job }: Job, reason: string, failures: number): Job {
  return { ...job, state: "failed", failures, reason, since: new Date().toISOString() };
}

function missing(id: string): EkspresiError {
  return new EkspresiError("JOB_MISSING", `job ${id} not found; \`pipeline jobs\` lists all jobs`);
}

function changed(id: string): EkspresiError {
  return new EkspresiError("JOB_EXISTS", `job ${id} was just changed by someone else; try again`);
}

function unlessConflict(cause: unknown): undefined {
  if (cause instanceof JetStreamApiError && cause.code === WRONG_REVISION) return undefined;
  throw cause;
}

/** Distinguishes by text: a full subject, stream, account and disk all have the same error code. */
function isSubjectFull(cause: unknown): boolean {
  return cause instanceof JetStreamApiError && cause.code === NOT_STORED && /per subject/.test(cause.message);
}

/** Ignores errors because the message is gone: a worker has just finished it, or its deliveries are used up. */
function unlessGone(cause: unknown): void {
  if (!(cause instanceof JetStreamApiError) || !MESSAGE_GONE.includes(cause.code)) throw cause;
}

/** Opens the queue's streams and consumers; creates missing ones. */
async function ensureQueue(jsm: JetStreamManager, js: JetStreamClient, wanted: QueueSettings) {
  const found = [await configOf(jsm, STREAM), await configOf(jsm, `KV_${BUCKET}`)];
  if (!found[0]) await addStream(jsm, wanted);
  const consumers: ConsumerInfo[] = [];
  for (const kind of ["camera", "recording"] as const)
    consumers.push(await ensureConsumer(jsm, kind, wanted));
  const kv = await new Kvm(js).create(BUCKET, {
    history: 1,
    replicas: wanted.replicas,
    allow_direct: false, // only the leader is guaranteed to have the newest revision
  });
  const settings = {
    ackWaitMs: Math.min(...consumers.map(({ config }) => (config.ack_wait ?? 0) / 1e6)),
    replicas: Math.min(...found.map((config) => config?.num_replicas ?? wanted.replicas)),
  };
  return { made: found.includes(undefined), kv, settings };
}

/** Undefined if the stream is missing. */
async function configOf(jsm: JetStreamManager, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await jsm.streams.info(stream)).config;
  } catch (cause) {
    if (cause instanceof JetStreamApiError && cause.code === STREAM_NOT_FOUND) return undefined;
    throw cause;
  }
}

async function addStream(jsm: JetStreamManager, { replicas }: QueueSettings): Promise<void> {
  await jsm.streams.add({
    name: STREAM,
    description: "Jobs of Ekspresi: one message for each waiting or running job.",
    subjects: [`${SUBJECT}.*.*`],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
    // One message per job: a second one is rejected, whoever sends it.
    max_msgs_per_subject: 1,
    discard: DiscardPolicy.New,
    discard_new_per_subject: true,
    num_replicas: replicas,
  });
}

async function ensureConsumer(
  jsm: JetStreamManager,
  kind: JobKind,
  { ackWaitMs }: QueueSettings,
): Promise<ConsumerInfo> {
  try {
    return await jsm.consumers.info(STREAM, CONSUMERS[kind]);
  } catch (cause) {
    if (!(cause instanceof JetStreamApiError) || cause.code !== CONSUMER_NOT_FOUND) throw cause;
    return jsm.consumers.add(STREAM, {
      durable_name: CONSUMERS[kind],
      filter_subject: `${SUBJECT}.${kind}.*`,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWaitMs * 1e6,
      // Attempts are counted in the job: a camera that is handed over repeatedly has not failed.
      max_deliver: -1,
      max_ack_pending: -1,
    });
  }
}

function explained({ shown }: Nats, what: string, cause: unknown, then = ""): EkspresiError {
  if (cause instanceof EkspresiError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new NatsError("NATS_JOBS", `${shown}: ${what}: ${why}${then}`, { cause });
}
