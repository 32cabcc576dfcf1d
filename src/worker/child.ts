import { ConfigError, ModelError, messageOf } from "../errors.js";
import type { Log, LogLevel } from "../pipeline/context.js";
import { parsePipeline } from "../pipeline/load.js";
import type { Plan } from "../pipeline/plan.js";
import { type RunView, runPlan } from "../pipeline/run.js";
import { confine } from "./confine.js";
import { Lease } from "./lease.js";
import { type FromJob, type JobStart, LEASE_OVER, type ToJob } from "./messages.js";
import { redirected, stateOf } from "./outputs.js";

// Runs one job in its own process, so that a crash affects nothing else. Exits by itself once its lease is over or its
// worker is gone, so that no camera is watched twice.

const ALIVE_MS = 1000;
/** How long the run may take to end before the process exits anyway. */
const END_MS = 2000;

const stop = new AbortController();
const abort = new AbortController();
let leaseOver = false;
const lease = new Lease(() => {
  leaseOver = true;
  end();
});

process.on("message", (message: ToJob) => {
  if (message.kind === "stop") stop.abort();
  else if (message.kind === "lease") lease.holdUntil(message.untilMs);
  else setImmediate(() => void run(message)); // Node fails if a channel is closed by its own reader
});
// The worker is gone, for whatever reason.
process.on("disconnect", () => end());
// A Ctrl-C may reach all processes of the worker (Windows); the worker decides what to do.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});

/** Exits at once. */
function end(): void {
  abort.abort();
  setTimeout(() => process.exit(leaseOver ? LEASE_OVER : 1), END_MS).unref();
}

function tell(message: FromJob): void {
  if (process.connected) process.send?.(message, () => {}); // `disconnect` detects a worker that is gone
}

async function run({ id, spec, rules, outputs }: JobStart): Promise<void> {
  let view: RunView | undefined;
  const alive = () => {
    const figures = view?.figures();
    tell({ kind: "alive", ...(figures && { figures }) });
  };
  alive();
  const timer = setInterval(alive, ALIVE_MS);
  let errors: string[] = [];
  let refused = false;
  try {
    const plan = parsePipeline(spec.yaml, rules.folder, {
      set: spec.set,
      env: { ...rules.env, JOB_ID: id },
      name: spec.file,
    });
    checkKind(plan, spec.kind);
    confine(plan, rules);
    const summary = await runPlan(outputs ? redirected(plan, rules.folder, outputs) : plan, {
      log: logToWorker(),
      stop: stop.signal,
      abort: abort.signal,
      stateDir: stateOf(rules.folder, id),
      started: (started) => {
        view = started;
      },
    });
    errors = summary.errors.map(({ message }) => message);
  } catch (error) {
    errors = [messageOf(error)];
    refused = error instanceof ConfigError || error instanceof ModelError;
  } finally {
    clearInterval(timer);
    lease.end();
  }
  const figures = view?.figures();
  tell({ kind: "ended", errors, refused, ...(figures && { figures }) });
  if (leaseOver) process.exitCode = LEASE_OVER;
  if (process.connected) process.disconnect();
}

/** A recording ends, a camera does not: each must be in the queue that handles its end correctly. */
function checkKind(plan: Plan, kind: "camera" | "recording"): void {
  for (const { id, component, options } of plan.nodes) {
    if (component.role !== "source" || component.live(options) === (kind === "camera")) continue;
    const what =
      kind === "camera"
        ? "a recording; use `pipeline submit recording`"
        : "a camera; use `pipeline submit camera`";
    throw new ConfigError("JOB_KIND", `${plan.file}: source ${id} is ${what}`);
  }
}

function logToWorker(): Log {
  const at = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) =>
    tell({ kind: "log", level, message, ...(fields && { fields }) });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
