// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of pipeline files

import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { ConfigError, EkspresiError, messageOf, SinkError } from "../errors.js";
import { CONTAINERS, muxerOf } from "../media/containers.js";
import { expectFfmpeg } from "../media/ffmpeg.js";
import type { Log } from "../pipeline/context.js";
import type { Added } from "../pipeline/load.js";
import type { Plan } from "../pipeline/plan.js";
import type { RunSummary, RunView } from "../pipeline/run.js";
import { plural } from "../text.js";
import {
  type Beside,
  eventsPart,
  type FileFlags,
  type Job,
  jobsOf,
  softText,
  vttPart,
} from "./annotate-files.js";
import { addTrack, nameBeside } from "./annotate-finish.js";
import { foundAt, markOf, setMark } from "./annotate-mark.js";
import { AnnotateProgress } from "./annotate-progress.js";
import { collect } from "./collect.js";
import { clock } from "./format.js";
import { createLog } from "./log.js";
import type { ShowFlags } from "./run-shown.js";
import { Signals } from "./signals.js";
import { found } from "./summary.js";
import { errorColumns } from "./terminal.js";

interface Flags extends FileFlags {
  readonly pipeline?: string;
  readonly model?: string;
  readonly codec?: string;
  readonly quality?: string;
  readonly force?: boolean;
  readonly set: string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const shipped = (name: string) => fileURLToPath(new URL(`../../pipelines/${name}`, import.meta.url));

export function register(program: Command): void {
  program
    .command("annotate")
    .description("Draws faces and their expressions into recordings; keeps audio, chapters and timing.")
    .argument("<files...>", "recordings, or patterns such as 'in/*.mp4'")
    .option(
      "-o, --output <file>",
      "the annotated recording (default: <name>.annotated.<extension> next to the input, with --soft <name>.soft.<extension>)",
    )
    .option("--out-dir <folder>", "folder for annotated recordings, which keep their own names")
    .option(
      "--soft",
      "adds labels as a subtitle track that can be switched off, and copies everything else unchanged",
    )
    .option(
      "--events",
      "also writes the events to <output's name>.jsonl: appeared, changed, left, and one sample per second",
    )
    .option("--vtt", "also writes WebVTT subtitles to <output's name>.vtt")
    .option("--csv", "also writes the events as a table to <output's name>.csv")
    .option(
      "-p, --pipeline <file>",
      "a pipeline that reads ${VIDEO} and writes ${OUT} (default: pipelines/annotate.yaml)",
    )
    .option(
      "--model <name or folder>",
      "model that classifies the expressions: name of a shipped model, or a model's folder (default: the pipeline's, fer2013-small)",
    )
    .option("--codec <name>", "video encoder, as named by ffmpeg (default: libx264)")
    .option(
      "--quality <number>",
      "quality on the encoder's own scale, lower is better (default for libx264: 20)",
    )
    .option("--force", "redoes what is already done, and replaces files that annotate did not make")
    .option("--set <path=value>", "overrides a value in the pipeline file (repeatable)", collect, [])
    .option("-q, --quiet", "prints only warnings and errors")
    .option("--json", "logs as JSON lines on standard error")
    .addHelpText(
      "after",
      `
Events: a face's first event is \`appeared\`; its first sample is taken at the same moment. If a --pipeline has an \`events\`
operator of its own, its events are written.

--soft encodes nothing. In Matroska, boxes and labels follow the faces; MP4 and QuickTime subtitles have no positions, so
labels are stacked. To use --pipeline with it, start from pipelines/subtitles.yaml.

Each annotated file ends with a note of what made it. A recording is skipped if all its files exist, are up to date and
were made with the same pipeline, options and model; if they were made differently, they are made again. A file that
\`annotate\` did not make is replaced only with --force. A file in progress is called <name>.part.<extension>; a file under
its final name is always complete. If one recording fails, the others are still processed.

Ctrl-C stops cleanly and leaves the finished part in the .part file.
Exit codes: 0 success, 1 something failed, 2 wrong usage, 130 stopped.

Examples:
  $ pipeline annotate lobby.mp4
  $ pipeline annotate lobby.mp4 --soft
  $ pipeline annotate lobby.mp4 --model ./runs/mine/model
  $ pipeline annotate lobby.mp4 -o seen.mkv --codec libx265 --events --vtt
  $ pipeline annotate recordings/*.mp4 --out-dir annotated
  $ pipeline annotate lobby.mp4 --set operators.detect.every=5 --set operators.annotate.text=4%`,
    )
    .action(action);
}

async function action(names: string[], flags: Flags): Promise<void> {
  const { quiet = false, json = false } = flags;
  const log = createLog({ quiet, json, around: (say) => say() });
  const jobs = await jobsOf(names, flags, log);
  checkNames(jobs);
  if (flags.soft) checkSoft(flags);
  const signals = new Signals();
  const failed: string[] = [];
  const progress = new AnnotateProgress(jobs);
  try {
    for (const job of jobs) {
      if (signals.stop.aborted) break;
      const reason = await annotate(job, progress, flags, { log, signals });
      if (reason !== undefined) failed.push(`${job.input}: ${reason}`);
    }
  } finally {
    signals.end();
  }
  if (signals.stop.aborted) {
    process.exitCode = 130;
    if (signals.abort.aborted) process.exit();
  } else if (failed.length > 0) {
    process.exitCode = 1;
    if (jobs.length > 1) log.error(`${failed.length} of ${jobs.length} failed:\n  ${failed.join("\n  ")}`);
  }
}

function checkNames(jobs: readonly Job[]): void {
  const fail = (output: string, what: string): never => {
    throw new ConfigError("ANNOTATE_USAGE", `${output}: ${what}`);
  };
  for (const { output } of jobs) {
    if (!muxerOf(output))
      fail(output, `the name must end in ${CONTAINERS.join(", ")}; Matroska (.mkv) takes any audio`);
    if (/[{}]/.test(resolve(output)))
      fail(output, "braces are placeholders in output names; choose a path without them with --output");
  }
}

function checkSoft({ codec, quality }: Flags): void {
  if (codec !== undefined || quality !== undefined)
    throw new ConfigError(
      "ANNOTATE_USAGE",
      `${codec === undefined ? "--quality" : "--codec"}: --soft does not encode anything; remove one of them`,
    );
}

/** Makes one annotated recording. Returns the reason if it failed. */
async function annotate(
  job: Job,
  progress: AnnotateProgress,
  flags: Flags,
  { log, signals }: { readonly log: Log; readonly signals: Signals },
): Promise<string | undefined> {
  const { input, output } = job;
  const position = progress.next(job);
  const say = (text: string) => log.info(`${position}${text}`);
  if (flags.force || !existsSync(output)) expectFfmpeg(); // otherwise perhaps nothing is left to do
  const mark = await markOf(job, await planOf({ ...job, beside: {} }, flags), ownPaths(job, flags));
  const there = flags.force ? "nothing" : await foundAt(job, mark);
  if (there === "done" || there === "foreign") progress.skipped(job);
  if (there === "done") {
    say(`${input}: already done (${output}); use --force to redo it`);
    return undefined;
  }
  if (there === "foreign") {
    const reason = foreign(job);
    log.error(reason);
    return reason;
  }
  if (there === "other")
    say(`${input}: ${output} was made with other settings or from another input; making it again`);
  else if (position && errorColumns() === undefined) say(input);
  const plan = await planOf(job, flags);
  try {
    const heading = position === "" ? {} : { heading: (view: RunView) => progress.heading(view) };
    const summary = await make(job, { plan, mark }, { ...flags, ...heading }, signals);
    const [error] = summary?.errors ?? [];
    if (error) return error.message;
    if (summary) say(doneLine(job, summary));
    return undefined;
  } catch (error) {
    // A configuration error hits every recording, unless it concerns only this one's output files.
    if (error instanceof ConfigError && !(error.cause instanceof SinkError)) throw blamedOnFlag(error, flags);
    log.error(messageOf(error));
    return messageOf(error);
  }
}

/** What is in the way of a job's files. */
function foreign({ output, beside }: Job): string {
  if (existsSync(output))
    return `${output} already exists, but was not made, or not completed, by \`annotate\`; replace it with --force, or choose another output with --output`;
  const files = Object.values(beside).filter((file) => existsSync(file));
  return `${files.join(", ")}: already there, but without ${output} \`annotate\` cannot tell whether it made this; remove it, replace it with --force, or choose another output with --output`;
}

/** Runs the plan, then names and marks what it made. Returns undefined if it was stopped. */
async function make(
  job: Job,
  { plan, mark }: { readonly plan: Plan; readonly mark: string },
  flags: Flags & ShowFlags,
  signals: Signals,
): Promise<RunSummary | undefined> {
  const { runShown } = await import("./run-shown.js");
  await rm(eventsPart(job), { force: true }); // leftovers of another run would be appended to
  const summary = await runShown(plan, flags, signals);
  if (summary.errors.length > 0) return summary;
  if (signals.stop.aborted) return undefined;
  if (flags.soft) await addTrack(job, summary, signals.abort);
  // Before anything else can fail: what has no mark is taken for somebody else's.
  await setMark(job.output, mark, []);
  await nameBeside(job);
  const kinds = Object.keys(job.beside) as Beside[];
  if (kinds.length > 0) await setMark(job.output, mark, kinds);
  return summary;
}

/** Names the flag that caused an error, instead of a place in a pipeline file that the user did not write. */
function blamedOnFlag(error: ConfigError, { codec, model }: Flags): ConfigError {
  const { code, cause } = error;
  if (!(cause instanceof EkspresiError)) return error;
  if (codec !== undefined && /^CODEC_(UNKNOWN|UNUSABLE)$/.test(code))
    return new ConfigError(code, `--codec: ${cause.message}`);
  if (model !== undefined && code.startsWith("MODEL_"))
    return new ConfigError(code, `--model: ${cause.message}`);
  return error;
}

function doneLine({ input, output, beside }: Job, summary: RunSummary): string {
  const { seconds } = summary;
  const [source] = summary.sources;
  const { decoded = 0, mediaTimeMs = 0, firstTimeMs = 0 } = source ?? {};
  const speed = ((mediaTimeMs - firstTimeMs) / 1000 / Math.max(seconds, 0.001)).toFixed(1);
  const made = [output, ...Object.values(beside)].join(", ");
  return `${input} -> ${made}: ${plural(decoded, "frame")}, ${found(summary)}, ${clock(seconds * 1000)} (${speed}x real time)`;
}

/** The values of `VIDEO` and `OUT` in the pipeline file. */
function ownPaths(job: Job, { soft }: Flags): [video: string, out: string] {
  return [resolve(job.input), resolve(soft ? softText(job) : job.output)];
}

async function planOf(job: Job, flags: Flags): Promise<Plan> {
  const { loadPipeline } = await import("../pipeline/load.js");
  const file = flags.pipeline ?? shipped(flags.soft ? "subtitles.yaml" : "annotate.yaml");
  const [video, out] = ownPaths(job, flags);
  const plan = await loadPipeline(file, {
    env: { ...process.env, VIDEO: video, OUT: out },
    set: flags.set,
    setDir: process.cwd(),
    add: [...addedOf(job), ...overridesOf(flags)],
  });
  const has = (role: string, path: string) =>
    plan.nodes.some(({ component, options }) => component.role === role && options.path === path);
  if (!has("source", video) || !has("sink", out))
    throw new ConfigError(
      "ANNOTATE_PIPELINE",
      `${file}: a pipeline for \`annotate\` needs a source with \`path: "\${VIDEO}"\` and a sink with \`path: "\${OUT}"\``,
    );
  const part = plan.nodes.find(({ options }) => options.path === video)?.options ?? {};
  if (flags.soft && (part.from !== undefined || part.to !== undefined || part.loop))
    throw new ConfigError(
      "ANNOTATE_SOFT",
      `${job.input}: --soft needs the whole recording, once; remove \`from\`, \`to\` and \`loop\``,
    );
  const hider = plan.nodes.find(({ component }) => component.role === "operator" && component.hides);
  if (flags.soft && hider)
    throw new ConfigError(
      "ANNOTATE_SOFT",
      `${file}: --soft copies the video unchanged, so \`${hider.id}\` could not hide any faces; remove one of them`,
    );
  return plan;
}

/** Changes that flags make to the pipeline's own components. */
function overridesOf({ model, codec, quality }: Flags): Added[] {
  const set = (section: Added["section"], type: string, options: Added["options"], place: string): Added => ({
    ...{ section, type, options, place, present: "set" },
  });
  // Anything else is passed on as written, so that the error shows it.
  const number = quality?.trim() ? Number(quality) : Number.NaN; // an empty text would count as 0
  return [
    ...(model === undefined ? [] : [set("operators", "classify", { model }, "--model")]),
    ...(codec === undefined ? [] : [set("sinks", "video", { codec }, "--codec")]),
    ...(quality === undefined
      ? []
      : [set("sinks", "video", { quality: Number.isFinite(number) ? number : quality }, "--quality")]),
  ];
}

function addedOf(job: Job): Added[] {
  const { events, csv, vtt } = job.beside;
  const more = (
    section: Added["section"],
    type: string,
    options: Added["options"],
    place: string,
  ): Added => ({
    ...{ section, type, options, place, present: section === "operators" ? "keep" : "more" },
  });
  const place = events === undefined ? "--csv" : "--events";
  return [
    ...(vtt === undefined ? [] : [more("sinks", "subtitles", { path: resolve(vttPart(job)) }, "--vtt")]),
    ...(events === undefined && csv === undefined
      ? []
      : [
          more("operators", "events", { on: "both" }, place),
          more("sinks", "jsonl", { path: resolve(eventsPart(job)) }, place),
        ]),
  ];
}
