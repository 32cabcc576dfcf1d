import { type Static, Type } from "typebox";
import Schema from "typebox/schema";
import { ConfigError } from "../errors.js";

/** What to run. */
export const JobSpec = Type.Object({
  kind: Type.Union([Type.Literal("camera"), Type.Literal("recording")]),
  file: Type.String({ description: "Name of the pipeline file, for messages." }),
  yaml: Type.String({
    description: "Its text; variables are taken from the worker, paths are relative to the worker's folder.",
  }),
  set: Type.Array(Type.String(), { description: "`a.b=value` settings that override it." }),
});

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Everything known about a job. */
export const Job = Type.Object({
  id: Type.String({ pattern: ID.source }),
  spec: JobSpec,
  state: Type.Union(
    [
      Type.Literal("queued"),
      Type.Literal("running"),
      Type.Literal("done"),
      Type.Literal("failed"),
      Type.Literal("cancelled"),
    ],
    {
      description:
        "`queued`: waits for a worker. `running`: a worker has it. `done`: a recording is finished. `failed`: set aside, with the reason. `cancelled`: by a user.",
    },
  ),
  tries: Type.Integer({
    description: "How often a worker has started it since it was submitted or retried.",
  }),
  failures: Type.Integer({ description: "Number of consecutive failures up to now." }),
  worker: Type.Optional(Type.String({ description: "The worker that has it, or had it last." })),
  reason: Type.Optional(
    Type.String({ description: "Why it is not running, or why its last attempt failed." }),
  ),
  progress: Type.Optional(
    Type.Object(
      {
        fps: Type.Number({ description: "Frames read per second, over all sources." }),
        dropped: Type.Number({ description: "Share of them dropped, 0 to 1." }),
        events: Type.Integer(),
        part: Type.Optional(Type.Number({ description: "Finished share of a recording, 0 to 1." })),
      },
      { description: "Progress of a running job, as last reported by its worker." },
    ),
  ),
  submitted: Type.String({ description: "ISO 8601." }),
  since: Type.String({ description: "When it entered its current state, ISO 8601." }),
});

export type JobSpec = Static<typeof JobSpec>;
export type Job = Static<typeof Job>;
/** A camera is watched until it is cancelled; a recording is processed once. */
export type JobKind = JobSpec["kind"];
export type JobProgress = NonNullable<Job["progress"]>;

const compiled = Schema.Compile(Job);

/** Parses a stored job; undefined if it is not one. */
export function parseJob(text: string): Job | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return compiled.Check(value) ? (value as Job) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether `id` is a valid job id. */
export function isJobId(id: string): boolean {
  return ID.test(id);
}

/** Throws `ConfigError` if `id` is not a valid job id. */
export function checkJobId(id: string): string {
  if (isJobId(id)) return id;
  throw new ConfigError(
    "JOB_ID",
    `job id "${id}": only up to 64 letters, digits, \`_\` and \`-\` are allowed; choose another`,
  );
}

/** The default id of a recording: its name, without characters not allowed in ids. */
export function jobIdOf(path: string): string {
  const name = path.split(/[\\/]/).at(-1) ?? "";
  return (
    name
      .replace(/[^A-Za-z0-9_-]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 64) || "recording"
  );
}
