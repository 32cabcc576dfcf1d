import { type ChildProcess, fork } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "../errors.js";
import type { Claim, JobProgress, JobQueue } from "../jobs/index.js";
import { type Log, partDone } from "../pipeline/context.js";
import type { RunFigures } from "../pipeline/figures.js";
import { type FromJob, type JobRules, LEASE_OVER, monotonicMs, type ToJob } from "./messages.js";
import { commitOutputs, discardOutputs, outputsOf, removeOutputs } from "./outputs.js";

/** How a worker handles its jobs. */
export interface JobPolicy {
  readonly worker: string;
  readonly rules: JobRules;
  /** Number of consecutive failures after which a job is set aside. */
  readonly maxTries: number;
  /** How long a job must run for its earlier failures to be forgotten, ms. */
  readonly provenAfterMs: number;
  /** Delay before a failed job is retried, doubled each time up to 30 s, ms. */
  readonly retryAfterMs: number;
}

export const OUTCOMES = ["done", "given back", "failed", "set aside", "lost", "cancelled"] as const;
/** How a job left its worker. */
export type Outcome = (typeof OUTCOMES)[number];

/** How long a process may be silent before it counts as hanging; it may take longer to start, ms. */
const SILENT_MS = 30_000;
const FIRST_WORD_MS = 120_000;
/** How long a process may take to exit once told to. */
const END_MS = 15_000;
/** Share of the lease reserved for stopping. */
const MARGIN = 0.1;
const LAST_WORDS = 2000;
const NOT_CONFIRMED =
  "the server has not confirmed the lease; stopped here, since another worker may have the job";

/** A job held by a worker: its process, lease and outcome. */
export class HeldJob {
  readonly id: string;
  readonly kind: "camera" | "recording";
  readonly startedAtMs = monotonicMs();
  /** Resolves once the job has left this worker. */
  readonly left: Promise<Outcome>;
  figures: RunFigures | undefined;
  readonly #queue: JobQueue;
  readonly #policy: JobPolicy;
  readonly #log: Log;
  readonly #child: ChildProcess;
  readonly #rate = new FrameRate();
  readonly #outputs: string | undefined;
  #claim: Claim;
  #leaseUntilMs: number;
  #heardAtMs: number | undefined;
  #ended: (FromJob & { kind: "ended" }) | undefined;
  #lastWords = "";
  #givingBack: { delayMs: number; reason?: string } | undefined;
  #lostBy: "lost" | "cancelled" | undefined;
  #hungMs: number | undefined;

  constructor(queue: JobQueue, claim: Claim, claimedAtMs: number, policy: JobPolicy, log: Log) {
    const { job } = claim.record;
    this.id = job.id;
    this.kind = job.spec.kind;
    this.#queue = queue;
    this.#claim = claim;
    this.#policy = policy;
    this.#log = prefixed(log, this.id);
    this.#leaseUntilMs = claimedAtMs + queue.settings.ackWaitMs * (1 - MARGIN);
    if (this.kind === "recording")
      this.#outputs = outputsOf(policy.rules.folder, this.id, job.tries, policy.worker);
    this.#child = fork(new URL("./child.js", import.meta.url), {
      stdio: ["ignore", "inherit", "pipe", "ipc"],
      detached: process.platform !== "win32", // a group of its own, whose ffmpeg a Ctrl-C does not reach
    });
    this.left = this.#live();
  }

  /** Share of frames dropped in the last seconds. */
  get dropped(): number {
    return this.#rate.dropped;
  }

  /** Stops the job cleanly and returns it for another worker. */
  giveBack(delayMs = 0, reason?: string): void {
    this.#givingBack ??= { delayMs, ...(reason !== undefined && { reason }) };
    this.#send({ kind: "stop" });
    setTimeout(() => this.#kill(), END_MS).unref();
  }

  /** Stops the job at once without notice: the server redelivers it once the ack wait is over. */
  drop(): void {
    this.#lose("lost", "stopped at once");
  }

  async #live(): Promise<Outcome> {
    const { job } = this.#claim.record;
    const { rules } = this.#policy;
    this.#listen();
    const exited = exitOf(this.#child); // it may end while we wait below
    if (this.kind === "recording") await removeOutputs(rules.folder, this.id).catch(() => {});
    const outputs = this.#outputs;
    this.#send({ kind: "lease", untilMs: this.#leaseUntilMs });
    this.#send({
      kind: "start",
      id: this.id,
      spec: job.spec,
      rules,
      ...(outputs !== undefined && { outputs }),
    });
    const lease = this.#keepLease(exited);
    const [code, signal] = await exited;
    if (code !== 0) this.#kill(); // its ffmpeg
    await lease;
    const outcome = await this.#settle(code, signal).catch((error: unknown): Outcome => {
      // The message is still pending: the server redelivers the job to the next worker.
      this.#log.warn(`its end could not be reported: ${messageOf(error)}`);
      return "lost";
    });
    if (outputs !== undefined) await discardOutputs(outputs).catch(() => {}); // mostly, nothing is left
    return outcome;
  }

  /** Renews the lease until the process has ended; ends the process if that fails. */
  async #keepLease(exited: Promise<unknown>): Promise<void> {
    let running = true;
    void exited.then(() => {
      running = false;
    });
    while (running) {
      await Promise.race([exited, sleep(this.#queue.settings.ackWaitMs / 4, undefined, { ref: false })]);
      if (!running || this.#lostBy) continue;
      const silentMs = monotonicMs() - (this.#heardAtMs ?? this.startedAtMs);
      if (silentMs > (this.#heardAtMs === undefined ? FIRST_WORD_MS : SILENT_MS)) {
        this.#hungMs = silentMs;
        this.#kill();
      }
      await this.#renew(exited);
    }
  }

  async #renew(exited: Promise<unknown>): Promise<void> {
    const askedAtMs = monotonicMs();
    const renewing = this.#queue.renew(this.#claim, this.#fields()).catch((error: unknown) => {
      this.#log.debug(`not renewed: ${messageOf(error)}`);
      return "no answer" as const;
    });
    const late = sleep(Math.max(0, this.#leaseUntilMs - askedAtMs), "no answer" as const, { ref: false });
    const record = await Promise.race([renewing, late, exited.then(() => renewing)]);
    if (record === "no answer") {
      if (monotonicMs() >= this.#leaseUntilMs) this.#lose("lost", NOT_CONFIRMED);
      return;
    }
    if (record) {
      this.#claim = { ...this.#claim, record };
      this.#leaseUntilMs = askedAtMs + this.#queue.settings.ackWaitMs * (1 - MARGIN);
      this.#send({ kind: "lease", untilMs: this.#leaseUntilMs });
      return;
    }
    const now = await this.#queue.find(this.id).catch(() => undefined);
    if (now?.job.state === "cancelled") this.#lose("cancelled", "cancelled");
    else if (now) this.#lose("lost", `taken over by ${now.job.worker ?? "another worker"}; stopping it here`);
    else this.#lose("lost", "no longer in the queue; stopping it here");
  }

  #fields(): { progress?: JobProgress; failures?: number } {
    const proven = monotonicMs() - this.startedAtMs > this.#policy.provenAfterMs;
    const progress = this.#progress();
    return { ...(progress && { progress }), ...(proven && { failures: 0 }) };
  }

  #progress(): JobProgress | undefined {
    if (!this.figures) return undefined;
    const { sources, events } = this.figures;
    const parts = sources.flatMap((source) => partDone(source) ?? []);
    const part = parts.reduce((sum, each) => sum + each, 0) / parts.length;
    return {
      fps: Math.round(this.#rate.fps * 10) / 10,
      dropped: Math.round(this.#rate.dropped * 1000) / 1000,
      events,
      ...(this.kind === "recording" && parts.length > 0 && { part }),
    };
  }

  async #settle(code: number | null, signal: NodeJS.Signals | null): Promise<Outcome> {
    if (this.#lostBy) return this.#lostBy;
    if (code === LEASE_OVER) {
      this.#log.warn(NOT_CONFIRMED); // it noticed before we did
      return "lost";
    }
    const { job } = this.#claim.record;
    const ended = this.#ended;
    const finished = ended !== undefined && ended.errors.length === 0;
    if (finished && this.kind === "recording" && !this.#givingBack) return this.#finish();
    // A clean end, or one forced because it took too long: neither is a failure of the job.
    if (this.#givingBack && (!ended || finished)) {
      const { delayMs, reason } = this.#givingBack;
      const change = { failures: job.failures, ...(reason !== undefined && { reason }) };
      return (await this.#queue.giveBack(this.#claim, change, delayMs)) ? "given back" : "lost";
    }
    return this.#failed(this.#whyFailed(code, signal), ended?.refused === true);
  }

  async #finish(): Promise<Outcome> {
    const { folder } = this.#policy.rules;
    // Still ours? From here on, nobody else starts it before the files are in place.
    const record = await this.#queue.renew(this.#claim, { ...this.#fields() });
    if (!record) return "lost";
    this.#claim = { ...this.#claim, record };
    try {
      if (this.#outputs) await commitOutputs(folder, this.id, this.#outputs);
    } catch (error) {
      return this.#failed(`its output could not be moved into place: ${messageOf(error)}`, false);
    }
    return (await this.#queue.finish(this.#claim)) ? "done" : "lost";
  }

  async #failed(reason: string, refused: boolean): Promise<Outcome> {
    const failures = this.#claim.record.job.failures + 1;
    const { maxTries, retryAfterMs } = this.#policy;
    if (refused || failures >= maxTries) {
      this.#log.error(`set aside${refused ? "" : ` after ${failures} consecutive failures`}: ${reason}`);
      return (await this.#queue.setAside(this.#claim, reason, failures)) ? "set aside" : "lost";
    }
    const waitMs = Math.min(30_000, retryAfterMs * 2 ** (failures - 1));
    this.#log.warn(`failed (${failures} of ${maxTries}): ${reason}; retrying in ${waitMs / 1000} s`);
    return (await this.#queue.giveBack(this.#claim, { reason, failures }, waitMs)) ? "failed" : "lost";
  }

  #whyFailed(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.#hungMs !== undefined) return `its process was silent for ${Math.round(this.#hungMs / 1000)} s`;
    if (this.#ended)
      return this.#ended.errors.length > 0
        ? this.#ended.errors.join("; ")
        : "it ended, which a camera must not do";
    const words = this.#lastWords.trim().split("\n").at(-1);
    return `its process exited with ${signal ?? `code ${code}`}${words ? `: ${words}` : ""}`;
  }

  #listen(): void {
    this.#child.on("message", (message: FromJob) => {
      this.#heardAtMs = monotonicMs();
      if (message.kind === "log") this.#log[message.level](message.message, message.fields);
      else if (message.kind === "ended") this.#ended = message;
      if (message.kind !== "log" && message.figures) {
        this.figures = message.figures;
        this.#rate.add(message.figures);
      }
    });
    this.#child.on("error", (error) => {
      this.#lastWords = messageOf(error);
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#lastWords = (this.#lastWords + text).slice(-LAST_WORDS);
      process.stderr.write(text);
    });
  }

  #lose(by: "lost" | "cancelled", message: string): void {
    this.#lostBy = by;
    this.#log.warn(message);
    this.#kill();
  }

  /** With its ffmpeg, which could otherwise go on waiting for a camera that sends nothing. */
  #kill(): void {
    const { pid } = this.#child;
    if (process.platform === "win32" || pid === undefined) this.#child.kill("SIGKILL");
    else
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // none of its group is left
      }
  }

  #send(message: ToJob): void {
    if (this.#child.connected) this.#child.send(message, () => {}); // if it is gone, its exit event tells
  }
}

/** Frame counts of all sources over the last seconds. */
class FrameRate {
  fps = 0;
  dropped = 0;
  readonly #samples: { atMs: number; decoded: number; dropped: number }[] = [];

  add({ sources }: RunFigures): void {
    const sum = (key: "decoded" | "dropped") => sources.reduce((total, source) => total + source[key], 0);
    const now = { atMs: monotonicMs(), decoded: sum("decoded"), dropped: sum("dropped") };
    this.#samples.push(now);
    while (this.#samples.length > 2 && now.atMs - (this.#samples[0]?.atMs ?? 0) > 10_000)
      this.#samples.shift();
    const [first] = this.#samples;
    if (!first || first === now) return;
    const decoded = now.decoded - first.decoded;
    this.fps = (decoded * 1000) / (now.atMs - first.atMs);
    this.dropped = decoded > 0 ? (now.dropped - first.dropped) / decoded : 0;
  }
}

function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null]> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve([code, signal]));
    child.once("error", () => {
      if (child.pid === undefined) resolve([null, null]); // it was never started
    });
  });
}

function prefixed(log: Log, id: string): Log {
  const at = (level: keyof Log) => (message: string, fields?: Record<string, unknown>) =>
    log[level](`${id}: ${message}`, { job: id, ...fields });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
