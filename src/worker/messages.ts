import type { JobSpec } from "../jobs/index.js";
import type { LogLevel } from "../pipeline/context.js";
import type { RunFigures } from "../pipeline/figures.js";

/** What a job's process needs to run the job. */
export interface JobStart {
  readonly kind: "start";
  readonly id: string;
  readonly spec: JobSpec;
  readonly rules: JobRules;
  /** Where a recording's output is kept until it is complete. */
  readonly outputs?: string;
}

/** What jobs may access on this worker. */
export interface JobRules {
  /** Absolute; the base of relative paths in pipelines, and the only folder jobs may write to. */
  readonly folder: string;
  /** Additional folders jobs may read, absolute. */
  readonly read: readonly string[];
  /** The only variables pipelines may use. */
  readonly env: Readonly<Record<string, string>>;
}

/** From the worker to a job's process. */
export type ToJob =
  | JobStart
  /** The job is ours until then, on `monotonicMs`'s clock; unless extended, the process then exits. */
  | { readonly kind: "lease"; readonly untilMs: number }
  /** Finish work in progress and exit. */
  | { readonly kind: "stop" };

/** From a job's process to the worker. */
export type FromJob =
  /** Sent once a second from the start; with figures once it runs. */
  | { readonly kind: "alive"; readonly figures?: RunFigures }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields?: Record<string, unknown>;
    }
  /** The run is over; `refused` if the pipeline itself is wrong, so that retrying would be pointless. */
  | {
      readonly kind: "ended";
      readonly errors: readonly string[];
      readonly refused: boolean;
      readonly figures?: RunFigures;
    };

/** Exit code of a job's process whose lease has expired. */
export const LEASE_OVER = 75;

/** Milliseconds of the system's monotonic clock, which all processes share and SIGSTOP does not stop. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
