import { type Static, Type } from "typebox";
import Schema from "typebox/schema";
import { ConfigError } from "../errors.js";

/** What is to be run. */
export const JobSpec = Type.Object({
  kind: Type.Union([Type.Literal("camera"), Type.Literal("recording")]),
  file: Type.String({ description: "The pipeline file's name, for messages." }),
  yaml: Type.String({
    description: "Its text; variables in it are the worker's, paths relative to the worker's folder.",
  }),
  set: Type.Array(Type.String(), { description: "`a.b=value` settings that override it." }),
});

const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** All that is known of a job. */
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
  tries: Type.Integer({ description: "Times that a worker began it since it was submitted or retried." }),
  failures: Type.Integer({ description: "How many of the last tries failed in a row." }),
  worker: Type.Optional(Type.String({ description: "Who has it, or had it last." })),
  reason: Type.Optional(Type.String({ description: "Why it is not running, or why its last try failed." })),
  progress: Type.Optional(
    Type.Object(
      {
        fps: Type.Number({ description: "Frames a second that were read, over all of its sources." }),
        dropped: Type.Number({ description: "Share of them that were dropped, 0 to 1." }),
        events: Type.Integer(),
        part: Type.Optional(Type.Number({ description: "Share of a recording that is done, 0 to 1." })),
      },
      { description: "How a running job fares, as its worker last told." },
    ),
  ),
  submitted: Type.String({ description: "ISO 8601." }),
  since: Type.String({ description: "When it came into its present state, ISO 8601." }),
});

export type JobSpec = Static<typeof JobSpec>;
export type Job = Static<typeof Job>;
/** A camera is watched until it is cancelled; a recording is worked through once. */
export type JobKind = JobSpec["kind"];
export type JobProgress = NonNullable<Job["progress"]>;

const compiled = Schema.Compile(Job);

/** A job as stored; nothing where what is stored is none. */
export function parseJob(text: string): Job | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return compiled.Check(value) ? (value as Job) : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a job can be called so. */
export function isJobId(id: string): boolean {
  return ID.test(id);
}

/** Throws `ConfigError` for what can be no job's id. */
export function checkJobId(id: string): string {
  if (isJobId(id)) return id;
  throw new ConfigError(
    "JOB_ID",
    `job id "${id}": letters, digits, \`_\` and \`-\`, 64 at most; choose another`,
  );
}

/** The id a recording gets when it is given none: its name, without what an id cannot hold. */
export function jobIdOf(path: string): string {
  const name = path.split(/[\\/]/).at(-1) ?? "";
  return (
    name
      .replace(/[^A-Za-z0-9_-]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 64) || "recording"
  );
}
