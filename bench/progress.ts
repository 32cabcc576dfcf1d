import logUpdate from "log-update";
import type { Benchmark } from "./benchmark.js";

/**
 * Shows what is being measured and how long the rest will take, on the terminal's last line; in a log, one line per
 * benchmark.
 */
export class Progress {
  readonly #waiting: Benchmark[];
  readonly #factor: number;
  readonly #live = process.stderr.isTTY;
  readonly #show = logUpdate;
  #now: { readonly benchmark: Benchmark; readonly sinceMs: number } | undefined;
  /** Actual seconds per expected second, for the benchmarks that are done. */
  #pace = 1;

  constructor(chosen: readonly Benchmark[], quick: boolean) {
    this.#waiting = [...chosen];
    this.#factor = quick ? 0.25 : 1;
  }

  start(benchmark: Benchmark): void {
    this.#waiting.shift();
    this.#now = { benchmark, sinceMs: performance.now() };
    this.say("");
    if (!this.#live) process.stderr.write(`${benchmark.name}: ${this.#left()}\n`);
  }

  say(what: string): void {
    if (this.#live && this.#now) this.#show(`${this.#now.benchmark.name}  ${what}  ${this.#left()}`);
  }

  end(): void {
    if (this.#live) this.#show.clear();
    if (!this.#now) return;
    const { benchmark, sinceMs } = this.#now;
    this.#pace = (performance.now() - sinceMs) / 1000 / (benchmark.seconds * this.#factor);
  }

  #left(): string {
    const expected = this.#waiting.reduce((sum, { seconds }) => sum + seconds, 0) * this.#factor * this.#pace;
    const { benchmark, sinceMs } = this.#now ?? { benchmark: undefined, sinceMs: 0 };
    const own = (benchmark?.seconds ?? 0) * this.#factor * this.#pace - (performance.now() - sinceMs) / 1000;
    const minutes = Math.ceil((expected + Math.max(0, own)) / 60);
    return `about ${minutes} min left`;
  }
}
