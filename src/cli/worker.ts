import { randomBytes } from "node:crypto";
import { stat } from "node:fs/promises";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, Option } from "commander";
import { cores } from "../cores.js";
import { ConfigError, NatsError } from "../errors.js";
import type { JobKind } from "../jobs/index.js";
import type { Provider } from "../model/engine/index.js";
import type { Nats } from "../nats/index.js";
import type { Log } from "../pipeline/context.js";
import type { Worker, WorkerOptions } from "../worker/index.js";
import { collect } from "./collect.js";
import { METRICS_HELP } from "./metrics.js";
import { addNatsFlags, FLAGS, type NatsFlags, natsOptions } from "./nats-flags.js";
import { Signals } from "./signals.js";
import { duration, percent, whole } from "./values.js";
import { checkFolder } from "./writable.js";

interface Flags extends NatsFlags {
  readonly folder: string;
  readonly read: string[];
  readonly env: string[];
  readonly take?: JobKind[];
  readonly maxLoad: string;
  readonly maxDropped: string;
  readonly tries: string;
  readonly grace: string;
  readonly ackWait?: string;
  readonly replicas?: string;
  readonly name?: string;
  readonly inference?: boolean;
  readonly model: string[];
  readonly provider: Provider;
  readonly threads?: string;
  readonly strict?: boolean;
  readonly metrics?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const worker = program
    .command("worker")
    .description(
      "Processes cameras and recordings queued on NATS by `pipeline submit`, or runs models for other machines.",
    )
    .option(
      "--folder <folder>",
      "the only folder that jobs may write to; paths in their pipelines are relative to it",
      ".",
    )
    .option("--read <folder>", "another folder that jobs may read (repeatable)", collect, [])
    .option("--env <name>", "an environment variable that pipelines may use (repeatable)", collect, [])
    .addOption(
      new Option("--take <kinds...>", "takes only these kinds of jobs (default: both)").choices([
        "camera",
        "recording",
      ]),
    )
    .option("--max-load <percent>", "takes no more jobs while CPU usage is above this; 0: no limit", "80")
    .option(
      "--max-dropped <percent>",
      "takes no more jobs while a camera drops more of its frames than this, and returns the newest camera to the queue after 30 s; 100: no limit",
      "10",
    )
    .option("--tries <n>", "sets a job aside after this many consecutive failures", "5")
    .option("--grace <duration>", "how long recordings may keep running after Ctrl-C or SIGTERM", "0s")
    .option(
      "--ack-wait <duration>",
      "silence after which a worker's jobs go to other workers; only used when creating the queue (default: 6s)",
    )
    .option(
      "--replicas <n>",
      "copies of the queue in a cluster; only used when creating the queue (default: 1)",
    )
    .option("--name <name>", "name shown by `pipeline jobs` (default: host name and a few random letters)")
    .option("--inference", "runs models for `classify: { engine: nats }` instead of taking jobs")
    .option(
      "--model <model>",
      "with --inference: a model's name or folder (repeatable; default: fer2013-small)",
      collect,
      [],
    )
    .addOption(
      new Option("--provider <provider>", "with --inference: what onnxruntime runs on")
        .choices(["cpu", "cuda", "webgpu"])
        .default("cpu"),
    )
    .option("--threads <n>", "with --inference: CPU threads (default: half of the cores)")
    .option("--strict", "with --inference: fails if the provider is unavailable, instead of using the CPU")
    .option("--metrics <[host:]port>", METRICS_HELP)
    .option("-q, --quiet", "prints only warnings and errors")
    .option("--json", "logs as JSON lines on standard error");
  addNatsFlags(worker)
    .addHelpText(
      "after",
      `
Each job runs in its own process. Ctrl-C or SIGTERM hands cameras over to other workers at once; a second one exits
immediately. A worker that dies or loses its connection loses its jobs after --ack-wait; a disconnected one stops its
cameras before that.

Examples:
  $ pipeline worker --folder /srv/ekspresi --env DOOR_URL --metrics 0.0.0.0:9464
  $ pipeline worker --nats nats://nats:4222 --take camera
  $ pipeline worker --take recording --grace 10m
  $ pipeline worker --inference --provider cuda --metrics 9464`,
    )
    .action(work);
}

async function work(flags: Flags): Promise<void> {
  const { createLog } = await import("./log.js");
  const options = optionsOf(flags);
  await checkFolders(flags);
  const log = createLog({ quiet: flags.quiet ?? false, json: flags.json ?? false, around: (say) => say() });
  const signals = new Signals("handing over jobs");
  signals.say = log.info;
  const state: State = { connected: false };
  const metrics = await serve(flags.metrics, log, state);
  let nats: Nats | undefined;
  try {
    nats = await connectPatiently(flags, options.worker, log, signals.stop);
    if (!nats) return;
    state.connected = true;
    void watch(nats, log, state);
    if (flags.inference) await runModels(flags, options.worker, nats, log, state, signals);
    else {
      const opened = await openPatiently(
        { ...options, nats, log, stop: signals.stop, abort: signals.abort },
        state,
      );
      if (!opened) return;
      state.worker = opened;
      warnOfIgnored(flags, state.worker, log);
      const takes = options.take.map((kind) => `${kind}s`).join(" and ");
      const { folder } = options.rules;
      log.info(`worker ${options.worker} at ${nats.shown}: takes ${takes}; jobs may write to ${folder}`);
      await state.worker.run();
    }
  } finally {
    await nats?.close();
    await metrics.close();
    signals.end();
  }
  if (signals.abort.aborted) process.exit(130);
}

/** Called before waiting for a server. */
async function checkFolders({ folder, read, inference }: Flags): Promise<void> {
  if (!inference) await checkFolder("--folder", folder);
  for (const path of read)
    if (!(await stat(path).catch(() => undefined))?.isDirectory())
      throw new ConfigError(
        "WORKER_READ",
        `--read ${path}: folder not found; create it or remove the option`,
      );
}

/** What the health probes check. */
interface State {
  connected: boolean;
  /** Why the job queue cannot be opened. */
  trouble?: string;
  worker?: Worker;
  /** Renders an inference worker's metrics, once its models run. */
  inference?: () => string;
}

async function runModels(
  flags: Flags,
  name: string,
  nats: Nats,
  log: Log,
  state: State,
  { stop }: { stop: AbortSignal },
): Promise<void> {
  const { serveInference } = await import("./inference.js");
  const threads =
    flags.threads === undefined ? Math.max(1, Math.floor(cores() / 2)) : whole("--threads", flags.threads);
  const models = flags.model.length > 0 ? flags.model : ["fer2013-small"];
  const { provider, strict = false } = flags;
  await serveInference({ nats, name, models, provider, threads, strict, log, stop }, (figures) => {
    state.inference = figures;
  });
}

/** Rejects flags of one kind of worker given to the other. */
function checkKind(flags: Flags): void {
  const { inference = false, model, threads, strict, provider, take, read, env } = flags;
  const idle = inference
    ? { "--take": take, "--read": read[0], "--env": env[0] }
    : {
        "--model": model[0],
        "--threads": threads,
        "--strict": strict,
        "--provider": provider === "cpu" ? undefined : provider,
      };
  const [flag] = Object.entries(idle).find(([, value]) => value !== undefined) ?? [];
  if (flag !== undefined)
    throw new ConfigError(
      "WORKER_KIND",
      inference
        ? `${flag} only applies to workers that take jobs; remove it or --inference`
        : `${flag} only applies to workers that run models; add --inference, or remove it`,
    );
}

function optionsOf(flags: Flags) {
  checkKind(flags);
  const env: Record<string, string> = {};
  for (const name of flags.env) {
    const value = process.env[name];
    if (value === undefined)
      throw new ConfigError("WORKER_ENV", `--env ${name}: variable not set; set it or remove the option`);
    env[name] = value;
  }
  const take: JobKind[] = [...new Set(flags.take ?? (["camera", "recording"] as const))];
  const maxLoad = percent("--max-load", flags.maxLoad);
  return {
    worker: flags.name ?? `${hostname().split(".")[0]}-${randomBytes(2).toString("hex")}`,
    rules: { folder: resolve(flags.folder), read: flags.read.map((folder) => resolve(folder)), env },
    take,
    maxLoad: maxLoad === 0 ? Number.POSITIVE_INFINITY : maxLoad,
    maxDropped: percent("--max-dropped", flags.maxDropped),
    maxTries: whole("--tries", flags.tries),
    provenAfterMs: 60_000,
    retryAfterMs: 1000,
    graceMs: duration("--grace", flags.grace),
    queue: {
      ...(flags.ackWait !== undefined && { ackWaitMs: ackWaitOf(flags.ackWait) }),
      ...(flags.replicas !== undefined && { replicas: whole("--replicas", flags.replicas) }),
    },
  };
}

/** Less than a second leaves no time to renew a lease, and a server takes 0 for 30 s. */
function ackWaitOf(text: string): number {
  const ms = duration("--ack-wait", text);
  if (ms < 1000) throw new ConfigError("USAGE", `--ack-wait ${text}: must be at least 1s`);
  return ms;
}

/** Reports flags that an existing queue contradicts, which any command may have created. */
function warnOfIgnored({ ackWait, replicas }: Flags, { queue }: Worker, log: Log): void {
  const change = "has no effect, since the job queue exists with";
  if (ackWait !== undefined && duration("--ack-wait", ackWait) !== queue.ackWaitMs)
    log.warn(
      `--ack-wait ${ackWait} ${change} ${queue.ackWaitMs / 1000}s; change it with \`nats consumer edit EKSPRESI_JOBS cameras\` and \`recordings\`, then restart the workers`,
    );
  if (replicas !== undefined && Number(replicas) !== queue.replicas)
    log.warn(
      `--replicas ${replicas} ${change} ${queue.replicas}; change it with \`nats stream edit EKSPRESI_JOBS\` and \`KV_EKSPRESI_JOBS\``,
    );
}

const TRY_EVERY_MS = 2000;

/** Connects to a server that may start later than the worker: retries until connected or stopped. */
async function connectPatiently(
  flags: Flags,
  name: string,
  log: Log,
  stop: AbortSignal,
): Promise<Nats | undefined> {
  const { connectNats } = await import("../nats/index.js");
  let told = false;
  while (!stop.aborted) {
    try {
      return await connectNats(natsOptions(flags), { name: `ekspresi worker ${name}`, wording: FLAGS });
    } catch (error) {
      if (!(error instanceof NatsError) || error.code !== "NATS_UNREACHABLE") throw error;
      if (!told) log.warn(`${error.message}; retrying until it is available`);
      told = true;
      await sleep(TRY_EVERY_MS, undefined, { signal: stop }).catch(() => {});
    }
  }
  return undefined;
}

/** Opens the job queue, which a server may refuse for a while (JetStream is off, no leader, no space). */
async function openPatiently(options: WorkerOptions, state: State): Promise<Worker | undefined> {
  const { Worker } = await import("../worker/index.js");
  const { log, stop } = options;
  while (!stop.aborted) {
    try {
      return await Worker.open(options);
    } catch (error) {
      if (!(error instanceof NatsError)) throw error;
      if (error.message !== state.trouble) log.warn(`${error.message}; retrying until it is available`);
      state.trouble = error.message;
      await sleep(TRY_EVERY_MS, undefined, { signal: stop }).catch(() => {});
    }
  }
  return undefined;
}

async function watch(nats: Nats, log: Log, state: State): Promise<void> {
  const { watchNats } = await import("../nats/index.js");
  await watchNats(nats, {
    lost: (message) => {
      state.connected = false;
      log.warn(message);
    },
    back: (message) => {
      state.connected = true;
      log.info(message);
    },
    complaint: (message) => log.warn(message),
  });
}

/** Serves the worker's own metrics and those of each job's run. */
async function serve(
  listenAt: string | undefined,
  log: Log,
  state: State,
): Promise<{ close(): Promise<void> }> {
  if (listenAt === undefined) return { close: async () => {} };
  const { exposition, parseListen, PROCESS_FAMILIES, ProcessFigures, RUN_FAMILIES, serveMetrics } =
    await import("../metrics/index.js");
  const { WORKER_FAMILIES } = await import("../worker/index.js");
  const own = new ProcessFigures();
  const ofJobs = ({ figures }: Worker) =>
    exposition(WORKER_FAMILIES, figures) +
    exposition(
      RUN_FAMILIES,
      figures.jobs.flatMap((job) => (job.figures ? [{ run: job.id, figures: job.figures }] : [])),
    );
  const server = await serveMetrics(parseListen(listenAt), {
    metrics: () =>
      exposition(PROCESS_FAMILIES, own) + (state.worker ? ofJobs(state.worker) : (state.inference?.() ?? "")),
    waitingFor: () => {
      if (!state.connected) return ["NATS"];
      if (!state.worker) return state.inference ? [] : [state.trouble ?? "starting"];
      const { trouble } = state.worker.figures;
      return trouble === undefined ? [] : [trouble];
    },
  });
  log.info(`serving metrics at ${server.url}/metrics`, { url: server.url });
  return {
    close: async () => {
      own.close();
      await server.close();
    },
  };
}
