import { messageOf, SinkError } from "../errors.js";
import type { Sink } from "./component.js";

/** Number of waiting items above which sources are paused; they resume below half of it. */
const BACKLOG = 1024;

/** Feeds a sink one item at a time, and counts. */
export class SinkRunner<T> {
  readonly id: string;
  /** Items the sink has accepted. */
  written = 0;
  /** Items lost after the sink failed. */
  lost = 0;
  error: SinkError | undefined;
  readonly #sink: Sink<T>;
  readonly #done: (item: T) => void;
  readonly #onFailure: (error: SinkError) => void;
  readonly #queue: T[] = [];
  #writing = false;
  #idle: (() => void)[] = [];
  #eased: { promise: Promise<void>; resolve: () => void } | undefined;

  /** @param done returns an item's lease, written or not */
  constructor(id: string, sink: Sink<T>, done: (item: T) => void, onFailure: (error: SinkError) => void) {
    this.id = id;
    this.#sink = sink;
    this.#done = done;
    this.#onFailure = onFailure;
  }

  push(item: T): void {
    if (this.error) {
      this.lost++;
      this.#done(item);
      return;
    }
    this.#queue.push(item);
    if (!this.#writing) void this.#work();
  }

  /** Resolves once the backlog has shrunk; undefined while it is small. */
  get backlog(): Promise<void> | undefined {
    if (this.#queue.length < BACKLOG || this.error) return undefined;
    if (!this.#eased) {
      let resolve = () => {};
      const promise = new Promise<void>((done) => {
        resolve = done;
      });
      this.#eased = { promise, resolve };
    }
    return this.#eased.promise;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Further figures of the sink. */
  get figures(): Readonly<Record<string, number>> | undefined {
    return this.#sink.figures?.();
  }

  /** True while the sink holds an item, and its lease. */
  get writing(): boolean {
    return this.#writing;
  }

  /** Resolves when everything pushed so far is written or lost. */
  idle(): Promise<void> {
    if (!this.#writing) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Discards waiting items and counts them as lost. */
  abandon(): void {
    this.lost += this.#queue.length;
    for (const item of this.#queue.splice(0)) this.#done(item);
    this.#ease(); // sources may be waiting for a sink that hangs
  }

  /** @param whole false if the run was cut short */
  async close(whole = true): Promise<void> {
    try {
      await this.#sink.close(whole && !this.error);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #work(): Promise<void> {
    this.#writing = true;
    while (this.#queue.length > 0) {
      const item = this.#queue.shift();
      if (item === undefined) break;
      try {
        const writing = this.#sink.write(item);
        if (writing) await writing; // most writes are synchronous and need no turn of the event loop
        this.written++;
      } catch (error) {
        this.lost += 1 + this.#queue.length;
        for (const rest of this.#queue.splice(0)) this.#done(rest);
        this.#fail(error);
      } finally {
        this.#done(item);
      }
      if (this.#eased && this.#queue.length < BACKLOG / 2) this.#ease();
    }
    this.#writing = false;
    this.#ease();
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #ease(): void {
    this.#eased?.resolve();
    this.#eased = undefined;
  }

  #fail(error: unknown): void {
    if (this.error) return;
    this.error =
      error instanceof SinkError
        ? error
        : new SinkError("SINK_WRITE", `${this.id}: ${messageOf(error)}`, { cause: error });
    this.#onFailure(this.error);
  }
}
