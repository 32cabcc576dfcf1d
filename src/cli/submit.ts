import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { Command } from "commander";
import { ConfigError } from "../errors.js";
import type { JobKind } from "../jobs/index.js";
import type { Plan } from "../pipeline/plan.js";
import { collect } from "./collect.js";
import { addNatsFlags, FLAGS, type NatsFlags, natsOptions } from "./nats-flags.js";

interface Flags extends NatsFlags {
  readonly pipeline: string;
  readonly id?: string;
  readonly url?: string;
  readonly set: string[];
  readonly check: boolean;
}

export function register(program: Command): void {
  const submit = program
    .command("submit")
    .description("Puts cameras and recordings into the queue of `pipeline worker`.");
  submit.addHelpText(
    "after",
    `
The contents of the pipeline file are sent with the job. On the worker, its paths are relative to the worker's --folder,
it can use the variables that the worker allows, and \${JOB_ID} is the job's id.

Examples:
  $ pipeline submit camera --pipeline pipelines/camera-job.yaml --id door --url rtsp://10.0.0.7/stream1
  $ pipeline submit recording clips/monday.mp4 --pipeline pipelines/recording-job.yaml
  $ pipeline jobs`,
  );
  const shared = (command: Command) =>
    addNatsFlags(
      command
        .requiredOption("--pipeline <file>", "pipeline file")
        .option("--set <path=value>", "overrides a value in the file (repeatable)", collect, [])
        .option("--no-check", "sends the file unchecked, e.g. if only the worker has its variables"),
    );
  shared(
    submit
      .command("camera")
      .description("Submits a camera, which one worker at a time watches until the job is cancelled.")
      .requiredOption("--id <id>", "id of the job and of the pipeline's first source")
      .option("--url <url>", "address of the first source"),
  )
    .addHelpText(
      "after",
      "\n--pipeline and --id are required.\n\nExample:\n  $ pipeline submit camera --pipeline pipelines/camera-job.yaml --id door --url rtsp://10.0.0.7/1",
    )
    .action((flags: Flags & { id: string }) => send("camera", flags.id, flags, cameraSettings(flags)));
  shared(
    submit
      .command("recording")
      .description("Submits a recording, which is processed once; its sinks overwrite earlier results.")
      .argument("<path>", "the recording, as seen by the worker: relative to its --folder")
      .option("--id <id>", "the job's id (default: derived from the recording's name)"),
  )
    .addHelpText(
      "after",
      "\n--pipeline is required.\n\nExample:\n  $ pipeline submit recording clips/monday.mp4 --pipeline pipelines/recording-job.yaml",
    )
    .action(async (path: string, flags: Flags) => {
      const { jobIdOf } = await import("../jobs/index.js");
      const settings = [...flags.set, `sources.0.path=${JSON.stringify(path)}`];
      await send("recording", flags.id ?? jobIdOf(path), flags, settings);
    });
}

function cameraSettings({ id, url, set }: Flags & { id: string }): string[] {
  const address = url === undefined ? [] : [`sources.0.url=${JSON.stringify(url)}`];
  return [...set, `sources.0.id=${JSON.stringify(id)}`, ...address];
}

async function send(kind: JobKind, id: string, flags: Flags, set: readonly string[]): Promise<void> {
  const { checkJobId, JobQueue } = await import("../jobs/index.js");
  const { connectNats } = await import("../nats/index.js");
  checkJobId(id);
  if (flags.check) await checkPipeline(kind, id, flags, set);
  const yaml = await readFile(flags.pipeline, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new ConfigError("CONFIG_READ", `${flags.pipeline}: ${cause.message}`, { cause });
  });
  const nats = await connectNats(natsOptions(flags), { name: "ekspresi submit", wording: FLAGS });
  try {
    const queue = await JobQueue.open(nats);
    await queue.submit(id, { kind, file: basename(flags.pipeline), yaml, set: [...set] });
  } finally {
    await nats.close();
  }
  process.stdout.write(`${id}\n`);
}

async function checkPipeline(kind: JobKind, id: string, flags: Flags, set: readonly string[]): Promise<void> {
  const { loadPipeline } = await import("../pipeline/load.js");
  const load = (set: readonly string[]) =>
    loadPipeline(flags.pipeline, { set, env: { ...process.env, JOB_ID: id } });
  const plan = await load(set).catch(async (error: unknown) => {
    // A source of the other kind rejects the option that we set; report the wrong kind instead.
    const asWritten = await load(flags.set).catch(() => undefined);
    if (asWritten) checkKind(kind, flags.pipeline, asWritten);
    throw error;
  });
  checkKind(kind, flags.pipeline, plan);
}

function checkKind(kind: JobKind, file: string, { nodes }: Plan): void {
  for (const { component, options, id } of nodes)
    if (component.role === "source" && component.live(options) !== (kind === "camera"))
      throw new ConfigError(
        "JOB_KIND",
        `${file}: source ${id} (${component.type}) is ${kind === "camera" ? "not a camera; use `pipeline submit recording`" : "not a recording; use `pipeline submit camera`"}`,
      );
}
