import { setMaxListeners } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import {
  catchError,
  EMPTY,
  finalize,
  merge,
  type Observable,
  type OperatorFunction,
  Subject,
  type Subscription,
  tap,
} from "rxjs";
import { cores } from "../cores.js";
import {
  ConfigError,
  EkspresiError,
  ModelError,
  messageOf,
  OperatorError,
  SinkError,
  SourceError,
} from "../errors.js";
import { FrameMemory, FramePool } from "../media/pool.js";
import type { Flow, Kind, SinkComponent, SourceComponent } from "./component.js";
import type { Log, Occupancy, RunContext, RunStats, SourceStats } from "./context.js";
import type { RunFigures } from "./figures.js";
import { Histogram, type HistogramFigures } from "./histogram.js";
import type { Plan, PlannedNode } from "./plan.js";
import { SinkRunner } from "./sink-runner.js";
import { placeText } from "./yaml.js";

type Item = Flow[Kind];

/** How `runPlan` is observed and stopped. */
export interface RunOptions {
  /** Default: warnings and errors on standard error. */
  readonly log?: Log;
  /** Aborted to stop cleanly: sources stop, frames in progress are finished, sinks flush. */
  readonly stop?: AbortSignal;
  /** Aborted to stop at once; sinks still flush what they have received. */
  readonly abort?: AbortSignal;
  /** Folder for data that outlives the run. Default: `.spool` next to the pipeline file. */
  readonly stateDir?: string;
  /** Called before the first frame. */
  readonly started?: (view: RunView) => void;
}

/** Running figures of a run, for a status line. */
export interface RunView {
  readonly stats: RunStats;
  /** Frames currently leased, and slots in total. */
  readonly leased: () => number;
  readonly slots: number;
  /** Events waiting for a sink. */
  readonly backlog: () => number;
  /** All figures as plain data. */
  readonly figures: () => RunFigures;
}

/** The outcome of a run. */
export interface RunSummary {
  /** What went wrong, in order; empty after a successful run. */
  readonly errors: readonly EkspresiError[];
  readonly sources: readonly SourceStats[];
  /** Detections: a face seen in ten frames counts as ten. */
  readonly faces: number;
  /** Faces followed by `track`; absent without `track`. */
  readonly tracks?: number;
  readonly events: number;
  /** Items written and lost per sink, and further figures of the sink. */
  readonly sinks: readonly {
    readonly id: string;
    readonly written: number;
    readonly lost: number;
    readonly figures?: Readonly<Record<string, number>>;
  }[];
  /** From a frame's arrival to its event; only if every source is live, since recordings are read at full speed. */
  readonly eventDelayMs?: HistogramFigures;
  readonly seconds: number;
  readonly peakRssBytes: number;
}

// A recording has enough slots to feed every Haar worker and a batch; a camera has few, to keep latency low.
const SLOTS = { live: 4, recording: 4 + 2 * cores() };

// Spaced so that quantiles read from the buckets are off by about 10 %.
const DELAY_BOUNDS_MS = [
  ...[5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 125, 150, 200, 250, 300, 400, 500, 750],
  ...[1000, 1500, 2500, 5000, 10_000],
];

/** How long sinks may flush after an abort. */
const FLUSH_MS = 1000;

const PLAIN_LOG: Log = {
  debug: () => {},
  info: () => {},
  warn: (message) => console.warn(message),
  error: (message) => console.error(message),
};

/** How long all slots of a source may be held without any change before a warning, ms. */
const STUCK_MS = 10_000;

/** Runs a plan to its end. Run-time errors are in the summary; rejects only if a component cannot be built. */
export async function runPlan(plan: Plan, options: RunOptions = {}): Promise<RunSummary> {
  const { log = PLAIN_LOG } = options;
  for (const warning of plan.warnings) log.warn(warning);
  const run = new Run(plan, { ...options, log });
  try {
    await run.build();
    await run.play();
  } catch (error) {
    run.abort();
    throw error;
  } finally {
    await run.close();
  }
  return run.summary();
}

class Run {
  readonly #plan: Plan;
  readonly #log: Log;
  readonly #stateDir: string;
  readonly #started: RunOptions["started"];
  readonly #memory = new FrameMemory((error) => this.#returnedTwice(error));
  readonly #stats: RunStats & { readonly sources: SourceStats[] };
  readonly #pools = new Map<string, FramePool>();
  readonly #sinks: SinkRunner<Item>[] = [];
  readonly #flows = new Map<string, Observable<Item>>();
  /** Starts the shared flows once all their consumers have subscribed. */
  readonly #connect: (() => Subscription)[] = [];
  readonly #ends: { readonly sink: SinkRunner<Item>; readonly flow: Observable<Item> }[] = [];
  readonly #deferred: (() => void | Promise<void>)[] = [];
  readonly #errors: EkspresiError[] = [];
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  /** An operator or source has thrown. */
  #broken = false;
  readonly #watchers = new Set<() => void>();
  readonly #startedAtMs = Date.now();
  readonly #begin = performance.now();
  readonly #occupancy: Occupancy;

  constructor(plan: Plan, { log, stop, abort, stateDir, started }: RunOptions & { readonly log: Log }) {
    this.#plan = plan;
    this.#log = log;
    this.#stateDir = stateDir ?? join(plan.baseDir, ".spool");
    this.#started = started;
    this.#stats = {
      sources: [],
      faces: 0,
      events: 0,
      engines: [],
      eventDelayMs: new Histogram(DELAY_BOUNDS_MS),
    };
    const pools = this.#pools;
    const sources = this.#stats.sources;
    this.#occupancy = {
      get leased() {
        let sum = 0;
        for (const pool of pools.values()) sum += pool.leased;
        return sum;
      },
      get exhausted() {
        return sources.every(({ id, state }) => state === "ended" || pools.get(id)?.free === 0);
      },
      onChange: (callback) => {
        this.#watchers.add(callback);
        return () => this.#watchers.delete(callback);
      },
    };
    // Every camera and sink adds a listener; Node must not mistake that for a leak.
    setMaxListeners(0, this.#stop.signal, this.#abort.signal);
    this.#forward(stop, this.#stop);
    this.#forward(abort, this.#abort);
  }

  /** Stops forwarding when the run is closed, since a signal may outlive many runs. */
  #forward(from: AbortSignal | undefined, to: AbortController): void {
    if (from?.aborted) to.abort();
    const end = () => to.abort();
    from?.addEventListener("abort", end, { once: true });
    this.#deferred.push(() => from?.removeEventListener("abort", end));
  }

  async build(): Promise<void> {
    const { nodes } = this.#plan;
    for (const node of nodes) {
      const { component } = node;
      if (component.role === "source") await atPlace(node, () => this.#addSource(node, component));
    }
    const operators = await this.#buildOperators();
    for (const node of nodes) {
      const { component } = node;
      const operator = operators.get(node.id);
      if (operator) this.#share(node, this.#inputOf(node).pipe(operator, named(node.id)));
      else if (component.role === "sink") await atPlace(node, () => this.#addSink(node, component));
    }
  }

  /** In parallel, since threads of detectors and engines take a while to start. */
  async #buildOperators(): Promise<ReadonlyMap<string, OperatorFunction<Item, Item>>> {
    const building = this.#plan.nodes.map(async (node) => {
      const { id, component, options } = node;
      if (component.role !== "operator") return undefined;
      const operator = await atPlace(node, () => component.build(options, this.#contextOf(id)));
      return [id, operator as OperatorFunction<Item, Item>] as const;
    });
    await Promise.allSettled(building); // everything opened must be registered before anything is closed
    const built = await Promise.all(building);
    return new Map(built.filter((entry) => entry !== undefined));
  }

  async play(): Promise<void> {
    const slots = [...this.#pools.values()].reduce((sum, pool) => sum + pool.slots, 0);
    this.#started?.({
      stats: this.#stats,
      leased: () => this.#occupancy.leased,
      slots,
      backlog: () => this.#sinks.reduce((sum, sink) => sum + sink.waiting, 0),
      figures: () => ({
        pipeline: this.#plan.name,
        ...this.#stats,
        sinks: this.#sinks.map(({ id, written, lost, waiting, figures }) => ({
          id,
          written,
          lost,
          waiting,
          ...(figures && { figures }),
        })),
        leased: this.#occupancy.leased,
        slots,
      }),
    });
    this.#sayWhenStuck();
    const subscriptions: Subscription[] = [];
    const aborted = new Promise<void>((resolve) => {
      const end = () => resolve();
      if (this.#abort.signal.aborted) end();
      this.#abort.signal.addEventListener("abort", end, { once: true });
    });
    const ended = this.#ends.map(
      ({ sink, flow }) =>
        new Promise<void>((resolve) => {
          subscriptions.push(
            flow.subscribe({
              next: (item) => sink.push(item),
              error: (error: unknown) => {
                this.#broken = true;
                this.#fail(error);
                resolve();
              },
              complete: resolve,
            }),
          );
        }),
    );
    for (const connect of this.#connect) subscriptions.push(connect());
    await Promise.race([Promise.all(ended), aborted]);
    for (const subscription of subscriptions) subscription.unsubscribe();
    await this.#flush(aborted);
  }

  /** A lease that is never returned would stall the run silently. */
  #sayWhenStuck(): void {
    let movedMs = performance.now();
    this.#watchers.add(() => {
      movedMs = performance.now();
    });
    const timer = setInterval(() => {
      if (performance.now() - movedMs < STUCK_MS) return;
      for (const [id, pool] of this.#pools)
        if (pool.free === 0)
          this.#log.warn(
            `source ${id}: no progress for ${STUCK_MS / 1000} s with all ${pool.slots} frame slots in use; a sink is very slow, or an operator neither passes on nor releases its frames`,
          );
      movedMs = Number.POSITIVE_INFINITY; // until there is progress again
    }, 1000);
    this.#deferred.push(() => clearInterval(timer));
  }

  /** Waits until sinks have written everything; only briefly after an abort, since a sink may hang. */
  async #flush(aborted: Promise<void>): Promise<void> {
    const done = new AbortController();
    const idle = Promise.all(this.#sinks.map((sink) => sink.idle())).then(() => done.abort());
    const late = aborted.then(() => sleep(FLUSH_MS, undefined, { signal: done.signal })).catch(() => {});
    await Promise.race([idle, late]);
    for (const sink of this.#sinks) {
      sink.abandon();
      if (sink.lost > 0) this.#log.error(`${sink.id}: ${sink.lost} not written`, { lost: sink.lost });
    }
  }

  /** Stops everything at once. */
  abort(): void {
    this.#abort.abort();
  }

  /** Closes sinks first, then everything else in reverse order; by then every slot must have been returned. */
  async close(): Promise<void> {
    const whole = !this.#abort.signal.aborted;
    await Promise.all(this.#sinks.map((sink) => sink.close(whole)));
    this.#abort.abort();
    for (const close of this.#deferred.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        this.#fail(error);
      }
    }
    await turn(); // leases of abandoned work are released in promise callbacks
    if (this.#sinks.some((sink) => sink.writing)) return; // a hanging sink keeps its item's lease
    if (this.#broken) return; // so does an operator that threw
    for (const [id, pool] of this.#pools)
      if (pool.leased > 0)
        this.#fail(
          new OperatorError(
            "LEASE_LOST",
            `source ${id}: ${pool.leased} of ${pool.slots} frame slots were not returned; an operator must pass on or release each frame exactly once. If all operators are Ekspresi's own, this is a bug; please report it with your pipeline file`,
          ),
        );
  }

  summary(): RunSummary {
    return {
      errors: this.#errors,
      sources: this.#stats.sources,
      faces: this.#stats.faces,
      ...(this.#stats.tracks !== undefined && { tracks: this.#stats.tracks }),
      events: this.#stats.events,
      sinks: this.#sinks.map(({ id, written, lost, figures }) => ({
        id,
        written,
        lost,
        ...(figures && { figures }),
      })),
      ...(this.#stats.sources.every(({ live }) => live) && { eventDelayMs: this.#stats.eventDelayMs }),
      seconds: this.#seconds,
      peakRssBytes: process.resourceUsage().maxRSS * 1024,
    };
  }

  get #seconds(): number {
    return (performance.now() - this.#begin) / 1000;
  }

  #addSource(node: PlannedNode, component: SourceComponent): void {
    const live = component.live(node.options);
    const slots = (live ? SLOTS.live : SLOTS.recording) + this.#held();
    const pool = new FramePool(this.#memory, slots, () => this.#changed());
    this.#pools.set(node.id, pool);
    const stats: SourceStats = {
      id: node.id,
      live,
      identity: live ? `since ${this.#startedAtMs}` : node.id,
      state: "opening",
      decoded: 0,
      dropped: 0,
      reconnects: 0,
      mediaTimeMs: 0,
    };
    this.#stats.sources.push(stats);
    const context = {
      ...this.#contextOf(node.id),
      pool,
      format: this.#plan.colour.has(node.id) ? ("yuv420p" as const) : ("gray" as const),
      stop: this.#stop.signal,
      source: stats,
      ready: () => this.#ready(),
    };
    const frames = component.open(node.options, context).pipe(
      tap({ complete: () => (stats.ending = this.#stop.signal.aborted ? "stopped" : "end") }),
      // The other sources continue; the run still ends with an error.
      catchError((error: unknown) => {
        stats.ending = "failed";
        this.#note(
          error instanceof EkspresiError
            ? error
            : new SourceError("INTERNAL", `source ${node.id}: ${messageOf(error)}`, { cause: error }),
        );
        return EMPTY;
      }),
      finalize(() => {
        stats.state = "ended";
        stats.seconds = this.#seconds;
        this.#changed();
      }),
    );
    this.#share(node, frames);
  }

  /** Number of frames of each source that operators hold back. */
  #held(): number {
    return this.#plan.nodes.reduce(
      (sum, { id, component, options }) =>
        sum +
        (component.role === "operator" ? (component.holds?.(options, this.#plan.late.get(id) ?? 0) ?? 0) : 0),
      0,
    );
  }

  async #addSink(node: PlannedNode, component: SinkComponent): Promise<void> {
    const built = await component.build(node.options, this.#contextOf(node.id));
    const sink = new SinkRunner<Item>(node.id, built, release, (error) => {
      this.#note(error);
      this.#stop.abort(); // frames in progress still reach the other sinks
    });
    this.#sinks.push(sink);
    this.#ends.push({ sink, flow: this.#inputOf(node) });
  }

  #inputOf({ from }: PlannedNode): Observable<Item> {
    return merge(...from.flatMap((id) => this.#flows.get(id) ?? []));
  }

  /** Provides a node's output to its consumers; if there are several, each gets its own lease. */
  #share({ id }: PlannedNode, flow: Observable<Item>): void {
    const takers = this.#plan.nodes.filter(({ from }) => from.includes(id)).length;
    if (takers <= 1) {
      this.#flows.set(id, flow);
      return;
    }
    const shared = new Subject<Item>();
    this.#flows.set(id, shared);
    const retained = flow.pipe(
      tap((item) => {
        for (let i = 1; i < takers; i++) retain(item);
      }),
    );
    this.#connect.unshift(() => retained.subscribe(shared));
  }

  #contextOf(id: string): RunContext {
    const { name, purpose, retention, baseDir } = this.#plan;
    return {
      id,
      pipeline: {
        name,
        ...(purpose !== undefined && { purpose }),
        ...(retention !== undefined && { retention }),
      },
      baseDir,
      stateDir: this.#stateDir,
      signal: this.#abort.signal,
      memory: this.#memory,
      log: this.#log,
      stats: this.#stats,
      startedAtMs: this.#startedAtMs,
      lastToSee: this.#plan.lastToSee.has(id),
      held: this.#held(),
      late: this.#plan.late.get(id) ?? 0,
      hides: this.#plan.hides,
      occupancy: this.#occupancy,
      defer: (close) => this.#deferred.push(close),
    };
  }

  #ready(): Promise<void> | undefined {
    const waits = this.#sinks.flatMap((sink) => sink.backlog ?? []);
    return waits.length > 0 ? Promise.all(waits).then(() => {}) : undefined;
  }

  #changed(): void {
    for (const callback of this.#watchers) callback();
  }

  /** The first lease that is returned twice ends the run; more may follow from the same bug. */
  #returnedTwice(error: EkspresiError): void {
    if (!this.#errors.some(({ code }) => code === error.code)) this.#fail(error);
  }

  /** Logs an error and adds it to the summary. */
  #note(error: unknown): void {
    const known =
      error instanceof EkspresiError
        ? error
        : new EkspresiError("INTERNAL", messageOf(error), { cause: error });
    if (this.#errors.some((earlier) => earlier === known || earlier.cause === error)) return;
    this.#errors.push(known);
    this.#log.error(known.message, { code: known.code });
  }

  /** Records an error after which the run cannot continue. */
  #fail(error: unknown): void {
    this.#note(error);
    this.#abort.abort();
  }
}

/** System errors caused by a wrong path, as opposed to temporary problems. */
const WRONG_PATH = new Set([
  "ENOENT",
  "EEXIST",
  "EACCES",
  "EPERM",
  "EROFS",
  "ENOTDIR",
  "EISDIR",
  "ENAMETOOLONG",
  "ELOOP",
]);

/** Whether a component cannot be built because of the pipeline file, so that retrying would be pointless. */
function misconfigured(error: unknown): error is EkspresiError {
  if (error instanceof ConfigError || error instanceof ModelError) return true;
  const { code } = (error instanceof SinkError ? (error.cause ?? {}) : {}) as NodeJS.ErrnoException;
  return code !== undefined && WRONG_PATH.has(code);
}

/** Adds the component's place in the file to configuration errors from building it. */
async function atPlace<T>({ place }: PlannedNode, build: () => T | Promise<T>): Promise<T> {
  try {
    return await build();
  } catch (error) {
    if (!misconfigured(error)) throw error;
    throw new ConfigError(error.code, `${placeText(place)}: ${error.message}`, { cause: error });
  }
}

/** Adds the operator's id to errors that do not name it. */
function named<T>(id: string): OperatorFunction<T, T> {
  return catchError((error: unknown) => {
    throw error instanceof EkspresiError
      ? error
      : new OperatorError("INTERNAL", `${id}: ${messageOf(error)}`, { cause: error });
  });
}

function retain(item: Item): void {
  if ("slot" in item) item.retain();
  else if ("frame" in item) item.frame.retain();
}

function release(item: Item): void {
  if ("slot" in item) item.release();
  else if ("frame" in item) item.frame.release();
}
