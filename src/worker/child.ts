import { ConfigError, ModelError, messageOf } from "../errors.js";
import type { Log, LogLevel } from "../pipeline/context.js";
import { parsePipeline } from "../pipeline/load.js";
import type { Plan } from "../pipeline/plan.js";
import { type RunView, runPlan } from "../pipeline/run.js";
import { confine } from "./confine.js";
import { Lease } from "./lease.js";
import { type FromJob, type JobStart, LEASE_OVER, type ToJob } from "./messages.js";
import { redirected, stateOf } from "./outputs.js";

// One job in a process of its own: what crashes it crashes nothing else. It ends by itself once its lease is over or its
// worker is gone, so that no camera is watched twice.

const ALIVE_MS = 1000;
/** What hangs while the run ends is left behind after so long. */
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
  else setImmediate(() => void run(message)); // Node fails if a handler of messages closes their channel
});
// The worker is gone, however it went.
process.on("disconnect", () => end());
// Ctrl-C goes to the whole group; the worker says what is to be done.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => {});

/** Ends at once. */
function end(): void {
  abort.abort();
  setTimeout(() => process.exit(leaseOver ? LEASE_OVER : 1), END_MS).unref();
}

function tell(message: FromJob): void {
  if (process.connected) process.send?.(message, () => {}); // a worker that has gone is noticed by `disconnect`
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

/** A camera never ends, a recording does: each in the queue that knows what to make of its end. */
function checkKind(plan: Plan, kind: "camera" | "recording"): void {
  for (const { id, component, options } of plan.nodes) {
    if (component.role !== "source" || component.live(options) === (kind === "camera")) continue;
    const what = kind === "camera" ? "a recording; submit it as one" : "a camera; submit it as one";
    throw new ConfigError("JOB_KIND", `${plan.file}: source ${id} is ${what}: pipeline submit --help`);
  }
}

function logToWorker(): Log {
  const at = (level: LogLevel) => (message: string, fields?: Record<string, unknown>) =>
    tell({ kind: "log", level, message, ...(fields && { fields }) });
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
