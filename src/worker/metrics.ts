import type { Family } from "../metrics/index.js";
import { OUTCOMES } from "./held-job.js";
import type { WorkerFigures } from "./worker.js";

const KINDS = ["camera", "recording"] as const;

/** Metrics of a worker; its jobs' runs are exported like any other run, with the job's id as `run`. */
export const WORKER_FAMILIES: readonly Family<WorkerFigures>[] = [
  {
    name: "ekspresi_worker_jobs",
    type: "gauge",
    help: "Jobs this worker holds.",
    read: ({ jobs }) =>
      KINDS.map((kind) => ({ labels: { kind }, value: jobs.filter((job) => job.kind === kind).length })),
  },
  {
    name: "ekspresi_worker_jobs_left_total",
    type: "counter",
    help: "Jobs that have left this worker, by outcome: done, given back, failed, set aside, lost, cancelled.",
    // Start at 0: `increase` does not see the first step of a series that starts at 1.
    read: ({ left }) =>
      KINDS.flatMap((kind) =>
        OUTCOMES.map((outcome) => ({
          labels: { kind, outcome },
          value: left.find((each) => each.kind === kind && each.outcome === outcome)?.count ?? 0,
        })),
      ),
  },
  {
    name: "ekspresi_worker_load",
    type: "gauge",
    help: "Share of the available CPU time in use, 0 to 1; decides whether the worker takes another job.",
    read: ({ load }) => [{ labels: {}, value: load }],
  },
  {
    name: "ekspresi_jobs_waiting",
    type: "gauge",
    help: "Jobs waiting in the queue for a worker.",
    read: ({ waiting }) =>
      KINDS.flatMap((kind) => {
        const value = waiting[kind];
        return value === undefined ? [] : [{ labels: { kind }, value }];
      }),
  },
];
