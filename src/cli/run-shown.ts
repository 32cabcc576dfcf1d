import { messageOf } from "../errors.js";
import { quantile } from "../pipeline/histogram.js";
import type { Plan } from "../pipeline/plan.js";
import { type RunSummary, type RunView, runPlan } from "../pipeline/run.js";
import { createLog } from "./log.js";
import { openRunMetrics } from "./metrics.js";
import { redrawn } from "./redrawn.js";
import type { Signals } from "./signals.js";
import { StatusLine } from "./status-line.js";

export interface ShowFlags {
  readonly quiet?: boolean;
  readonly json?: boolean;
  /** Address of the metrics page, as given to `--metrics`. */
  readonly metrics?: string;
  /** Shown above the figures on a terminal. */
  readonly heading?: (view: RunView) => string;
}

/** Runs a plan with its log and live figures on standard error; with `--json`, its summary too. */
export async function runShown(
  plan: Plan,
  { quiet = false, json = false, metrics: address, heading }: ShowFlags,
  signals: Signals,
): Promise<RunSummary> {
  const status = new StatusLine(!quiet && !json, await redrawn());
  const log = createLog({ quiet, json, around: (say) => status.above(say) });
  const metrics = await openRunMetrics(address, log);
  signals.say = log.info;
  try {
    const summary = await runPlan(plan, {
      log,
      stop: signals.stop,
      abort: signals.abort,
      started: (view) => {
        status.start(view, heading);
        metrics.started(view);
      },
    });
    if (json) log.info("summary", plain(summary));
    return summary;
  } finally {
    status.end();
    await metrics.close();
  }
}

function plain({ eventDelayMs, errors, sources, ...summary }: RunSummary): Record<string, unknown> {
  const latencyMs = eventDelayMs && { p50: quantile(eventDelayMs, 0.5), p95: quantile(eventDelayMs, 0.95) };
  // A recording's URL may contain a password; its `identity` identifies it without one.
  const shown = sources.map(({ recording: _, ...source }) => source);
  return {
    ...summary,
    sources: shown,
    ...(latencyMs?.p50 !== undefined && { latencyMs }),
    errors: errors.map(messageOf),
  };
}
