import { readFileSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { Family, Sample } from "./exposition.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const LOOP_RESOLUTION_MS = 20;

/** What is read of this process; `close` ends its measuring. */
export class ProcessFigures {
  readonly startedAtMs = Date.now() - process.uptime() * 1000;
  readonly #loop: IntervalHistogram;

  constructor() {
    this.#loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#loop.enable();
  }

  /** How late the event loop was in the worst hundredth of its turns since the last time of asking, ms. */
  lagMs(): number {
    const lateMs = this.#loop.percentile(99) / 1e6 - LOOP_RESOLUTION_MS;
    this.#loop.reset();
    return Number.isFinite(lateMs) ? Math.max(0, lateMs) : 0;
  }

  close(): void {
    this.#loop.disable();
  }
}

const one = (value: number, labels: Sample["labels"] = {}): Sample[] => [{ labels, value }];

/** What is told of the process; names as other Node programs have them, so that common dashboards fit. */
export const PROCESS_FAMILIES: readonly Family<ProcessFigures>[] = [
  {
    name: "ekspresi_build_info",
    type: "gauge",
    help: "Always 1; its labels give the versions.",
    read: () => one(1, { version, node: process.version }),
  },
  {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "CPU time of this process, including its threads but not ffmpeg.",
    read: () => {
      const { user, system } = process.cpuUsage();
      return one((user + system) / 1e6);
    },
  },
  {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory of this process.",
    read: () => one(process.memoryUsage.rss()),
  },
  {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "Start of this process in seconds since 1970.",
    read: ({ startedAtMs }) => one(startedAtMs / 1000),
  },
  {
    name: "nodejs_eventloop_lag_p99_seconds",
    type: "gauge",
    help: "99th percentile of how late the event loop was since the last scrape.",
    read: (figures) => one(figures.lagMs() / 1000),
  },
];
