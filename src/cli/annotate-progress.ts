import { partDone } from "../pipeline/context.js";
import type { RunView } from "../pipeline/run.js";
import { harmless } from "../text.js";
import type { Job } from "./annotate-files.js";
import { clock } from "./format.js";

/** Overall progress of several recordings, weighted by file size. */
export class AnnotateProgress {
  readonly #jobs: readonly Job[];
  #total: number;
  #done = 0;
  #number = 0;
  #job: Job | undefined;
  readonly #startMs = performance.now();

  constructor(jobs: readonly Job[]) {
    this.#jobs = jobs;
    this.#total = jobs.reduce((sum, { size }) => sum + size, 0);
  }

  /** Starts the next job; returns its number as a prefix, empty for a single job. */
  next(job: Job): string {
    this.#done += this.#job?.size ?? 0;
    this.#job = job;
    this.#number++;
    return this.#jobs.length > 1 ? `[${this.#number}/${this.#jobs.length}] ` : "";
  }

  /** Leaves out a job that took no time, which would distort the estimate. */
  skipped(job: Job): void {
    this.#total -= job.size;
    this.#job = undefined;
  }

  /** `[3/12] lobby.mp4  12:03 left in total`. */
  heading({ stats }: RunView): string {
    const [source] = stats.sources;
    const part = source && partDone(source);
    const done = this.#done + (part ?? 0) * (this.#job?.size ?? 0);
    const leftMs = ((performance.now() - this.#startMs) * (this.#total - done)) / done;
    const left = done > 0 ? `  ${clock(leftMs)} left in total` : "";
    return `[${this.#number}/${this.#jobs.length}] ${harmless(this.#job?.input ?? "")}${left}`;
  }
}
