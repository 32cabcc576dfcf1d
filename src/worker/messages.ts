import type { JobSpec } from "../jobs/index.js";
import type { LogLevel } from "../pipeline/context.js";
import type { RunFigures } from "../pipeline/figures.js";

/** What a job's process needs to run it. */
export interface JobStart {
  readonly kind: "start";
  readonly id: string;
  readonly spec: JobSpec;
  readonly rules: JobRules;
  /** Where a recording's output is put until it is whole. */
  readonly outputs?: string;
}

/** What jobs may touch on this worker. */
export interface JobRules {
  /** Absolute; relative paths of pipelines are relative to it, and only here may be written. */
  readonly folder: string;
  /** Absolute folders that may be read besides. */
  readonly read: readonly string[];
  /** The only variables that pipelines may use. */
  readonly env: Readonly<Record<string, string>>;
}

/** From the worker to a job's process. */
export type ToJob =
  | JobStart
  /** The job is ours until then, on `monotonicMs`'s clock; without a later word the process ends itself. */
  | { readonly kind: "lease"; readonly untilMs: number }
  /** Finish what is under way and end. */
  | { readonly kind: "stop" };

/** From a job's process to the worker. */
export type FromJob =
  /** Once a second from its first breath; figures once it runs. */
  | { readonly kind: "alive"; readonly figures?: RunFigures }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields?: Record<string, unknown>;
    }
  /** The run is over; `refused` where the pipeline itself is wrong, so that another try would fail as well. */
  | {
      readonly kind: "ended";
      readonly errors: readonly string[];
      readonly refused: boolean;
      readonly figures?: RunFigures;
    };

/** Exit code of a job's process whose lease was over. */
export const LEASE_OVER = 75;

/** Milliseconds of the system's monotonic clock, which all processes of a machine share and no SIGSTOP halts. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}
