import { readFileSync } from "node:fs";
import { type IntervalHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import type { Family, Sample } from "./exposition.js";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  version: string;
};
const LOOP_RESOLUTION_MS = 20;

/** Figures of this process; `close` stops measuring. */
export class ProcessFigures {
  readonly startedAtMs = Date.now() - process.uptime() * 1000;
  readonly #loop: IntervalHistogram;

  constructor() {
    this.#loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#loop.enable();
  }

  /** 99th percentile of the event loop delay since the last call, ms. */
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

/** Metrics of the process, named as in other Node programs, so that common dashboards work. */
export const PROCESS_FAMILIES: readonly Family<ProcessFigures>[] = [
  {
    name: "ekspresi_build_info",
    type: "gauge",
    help: "Always 1; the labels give the versions.",
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
    help: "Start time of this process in seconds since 1970.",
    read: ({ startedAtMs }) => one(startedAtMs / 1000),
  },
  {
    name: "nodejs_eventloop_lag_p99_seconds",
    type: "gauge",
    help: "99th percentile of the event loop delay since the last scrape.",
    read: (figures) => one(figures.lagMs() / 1000),
  },
];
