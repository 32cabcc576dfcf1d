import type { Command } from "commander";
import { outColours as pc } from "../colours.js";
import { columnsOf, padEnd } from "../columns.js";
import type { Job, JobQueue, StoredJob } from "../jobs/index.js";
import { isSecret, redact } from "../media/redact.js";
import { harmless } from "../text.js";
import { refuseUnknown } from "./groups.js";
import { addNatsFlags, FLAGS, type NatsFlags, natsOptions } from "./nats-flags.js";

export function register(program: Command): void {
  const jobs = program
    .command("jobs")
    .description(
      "Lists the cameras and recordings in the queue of `pipeline worker`; cancels and retries them.",
    );
  jobs.addHelpText(
    "after",
    `
Examples:
  $ pipeline jobs
  $ pipeline jobs --json | jq -r '.[] | select(.state == "failed") | .id'
  $ pipeline jobs cancel door
  $ pipeline jobs retry monday-mp4`,
  );
  addNatsFlags(
    jobs
      .command("list", { isDefault: true })
      .description("Lists jobs with state, worker, attempts and reason.")
      .option("--json", "prints one JSON list")
      .allowExcessArguments(),
  ).action((flags: NatsFlags & { json?: boolean }, command: Command) => {
    refuseUnknown(jobs, command);
    return withQueue(flags, (queue) => list(queue, flags.json ?? false));
  });
  const each = (name: string, about: string, act: (queue: JobQueue, id: string) => Promise<void>) =>
    addNatsFlags(jobs.command(name).description(about).argument("<ids...>", "ids of jobs")).action(
      (ids: string[], flags: NatsFlags) =>
        withQueue(flags, async (queue) => {
          for (const id of ids) await act(queue, id);
        }),
    );
  each("cancel", "Cancels jobs; a worker running one stops within seconds.", (queue, id) => queue.cancel(id));
  each("retry", "Returns jobs that are done, cancelled or set aside to the queue.", (queue, id) =>
    queue.retry(id),
  );
  each("remove", "Removes jobs that are neither waiting nor running, or cannot be parsed.", (queue, id) =>
    queue.remove(id),
  );
}

async function withQueue(flags: NatsFlags, act: (queue: JobQueue) => Promise<void>): Promise<void> {
  const { JobQueue } = await import("../jobs/index.js");
  const { connectNats } = await import("../nats/index.js");
  const nats = await connectNats(natsOptions(flags), { name: "ekspresi jobs", wording: FLAGS });
  try {
    await act(await JobQueue.open(nats));
  } finally {
    await nats.close();
  }
}

async function list(queue: JobQueue, json: boolean): Promise<void> {
  const { unreadable } = await import("../jobs/index.js");
  const all = await queue.list();
  const records = all.filter((record) => typeof record !== "string");
  for (const record of all) if (typeof record === "string") process.stderr.write(`${unreadable(record)}\n`);
  if (json) {
    const shown = records.map(({ job: { spec, ...job }, changedAtMs }) => ({
      ...job,
      kind: spec.kind,
      pipeline: spec.file,
      set: spec.set.map(shownSetting),
      changed: new Date(changedAtMs).toISOString(),
    }));
    process.stdout.write(`${JSON.stringify(shown, null, 2)}\n`);
    return;
  }
  if (records.length === 0) {
    if (all.length > 0) return;
    process.stdout.write("no jobs; see `pipeline submit --help` for how to add one\n");
    return;
  }
  const rows = [["ID", "KIND", "STATE", "WORKER", "TRIES", "SINCE", ""], ...records.map(rowOf)];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => columnsOf(row[i] ?? "")))) ?? [];
  for (const [n, row] of rows.entries()) {
    const line = row
      .map((cell, i) => padEnd(cell, widths[i] ?? 0))
      .join("  ")
      .trimEnd();
    process.stdout.write(`${n === 0 ? pc.dim(line) : PAINT[records[n - 1]?.job.state ?? "queued"](line)}\n`);
  }
}

/** A setting with secrets removed. */
function shownSetting(setting: string): string {
  const equals = setting.indexOf("=");
  const path = setting.slice(0, Math.max(0, equals));
  const keys = setting.slice(equals).match(/\w+(?=["']?\s*:)/g) ?? []; // the value may be a mapping
  return [path.split(".").at(-1), ...keys].some(isSecret) ? `${path}=***` : redact(setting);
}

const PAINT: Record<Job["state"], (text: string) => string> = {
  queued: pc.yellow,
  running: String,
  done: pc.dim,
  failed: pc.red,
  cancelled: pc.dim,
};

function rowOf({ job }: StoredJob): string[] {
  const { id, spec, state, worker = "", tries, since, reason, progress } = job;
  const fares =
    state === "running" && progress
      ? [
          progress.part === undefined ? "" : `${Math.floor(progress.part * 100)} %`,
          `${progress.fps.toFixed(0)} fps`,
          progress.dropped > 0 ? `${(progress.dropped * 100).toFixed(0)} % dropped` : "",
          `${progress.events} events`,
        ].filter(Boolean)
      : [];
  const why = reason === undefined ? [] : [harmless(reason.replaceAll("\n", "; "))];
  return [id, spec.kind, state, harmless(worker), String(tries), ago(since), [...fares, ...why].join(", ")];
}

/** `12 s`, `5 min`, `3 h`, `2 d`. */
function ago(iso: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(iso)) / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}
