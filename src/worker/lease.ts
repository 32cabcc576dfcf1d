import { monotonicMs } from "./messages.js";

/** Calls back once its end is reached on `now`'s clock, unless it was extended before. */
export class Lease {
  readonly #over: () => void;
  readonly #now: () => number;
  #untilMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(over: () => void, now: () => number = monotonicMs) {
    this.#over = over;
    this.#now = now;
  }

  holdUntil(untilMs: number): void {
    this.#untilMs = untilMs;
    clearTimeout(this.#timer);
    // A process that was slow to start, or suspended, first reads pending messages.
    const wake = () => setImmediate(() => setImmediate(() => this.#check()));
    this.#timer = setTimeout(wake, Math.max(0, Math.ceil(untilMs - this.#now())));
  }

  end(): void {
    this.#untilMs = Number.POSITIVE_INFINITY;
    clearTimeout(this.#timer);
  }

  #check(): void {
    if (this.#now() >= this.#untilMs) this.#over();
    // A timer may fire a millisecond early by this clock.
    else if (this.#untilMs !== Number.POSITIVE_INFINITY) this.holdUntil(this.#untilMs);
  }
}
