// biome-ignore-all lint/suspicious/noTemplateCurlyInString: variables of pipeline files
import { stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { ConfigError, messageOf } from "../errors.js";
import { filesOf, isGlob } from "../media/glob.js";
import type { Plan } from "../pipeline/plan.js";
import type { RunSummary } from "../pipeline/run.js";
import { collect } from "./collect.js";
import { clock, plural } from "./format.js";
import { Signals } from "./signals.js";

interface Flags {
  readonly output?: string;
  readonly outDir?: string;
  readonly pipeline?: string;
  readonly codec?: string;
  readonly quality?: string;
  readonly force?: boolean;
  readonly set: string[];
  readonly quiet?: boolean;
  readonly json?: boolean;
}

const SHIPPED = fileURLToPath(new URL("../../pipelines/annotate.yaml", import.meta.url));

export function register(program: Command): void {
  program
    .command("annotate")
    .description(
      "Draws faces and their expressions into recordings; sound, chapters and times stay as they are.",
    )
    .argument("<files...>", "recordings, or patterns such as 'in/*.mp4'")
    .option(
      "-o, --output <file>",
      "the annotated recording (default: <name>.annotated.<extension> beside it)",
    )
    .option("--out-dir <folder>", "puts annotated recordings there, under their own names")
    .option(
      "-p, --pipeline <file>",
      "a pipeline that reads ${VIDEO} and writes ${OUT} (default: pipelines/annotate.yaml)",
    )
    .option("--codec <name>", "video encoder, by ffmpeg's name (default: libx264)")
    .option("--quality <number>", "in the encoder's own measure, lower is better (default for libx264: 20)")
    .option("--force", "does again what is done already")
    .option("--set <path=value>", "overrides a value of the pipeline file (repeatable)", collect, [])
    .option("-q, --quiet", "says only what goes wrong")
    .option("--json", "logs as JSON lines on standard error")
    .addHelpText(
      "after",
      `
A recording whose annotated one is there, and not older, is skipped. While one is made it is called <name>.part.<extension>;
what is found under the other name is whole. A recording that fails does not keep the others from being made.
Ctrl-C ends cleanly: what was done is left in the .part file.
Exit codes: 0 fine, 1 something failed, 2 the usage is wrong, 130 stopped.

Examples:
  $ pipeline annotate lobby.mp4
  $ pipeline annotate lobby.mp4 -o seen.mkv --codec libx265
  $ pipeline annotate recordings/*.mp4 --out-dir annotated
  $ pipeline annotate lobby.mp4 --set operators.detect.every=5 --set operators.annotate.text=4%`,
    )
    .action(async (names: string[], flags: Flags) => {
      const jobs = await jobsOf(names, flags);
      const signals = new Signals();
      const failed: string[] = [];
      try {
        for (const [i, job] of jobs.entries()) {
          if (signals.stop.aborted) break;
          const position = jobs.length > 1 ? `[${i + 1}/${jobs.length}] ` : "";
          const reason = await annotate(job, position, flags, signals);
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
        if (jobs.length > 1)
          process.stderr.write(`${failed.length} of ${jobs.length} failed:\n  ${failed.join("\n  ")}\n`);
      }
    });
}

interface Job {
  readonly input: string;
  readonly output: string;
}

/** Containers that an annotated recording may have; whatever else comes in, Matroska takes its sound. */
const CONTAINERS = [".mp4", ".m4v", ".mov", ".mkv"];

async function jobsOf(names: readonly string[], { output, outDir }: Flags): Promise<Job[]> {
  const fail = (message: string): never => {
    throw new ConfigError("ANNOTATE_USAGE", message);
  };
  const found: string[] = [];
  for (const name of names) {
    // A name that only looks like a pattern is itself.
    const files = isGlob(name) && !(await exists(name)) ? await filesOf(name).catch(() => []) : [name];
    if (files.length === 0) fail(`${name}: no file matches`);
    found.push(...files.sort());
  }
  // `*.mp4` also finds what an earlier run made.
  const inputs = found.length > 1 ? found.filter((name) => !/\.(annotated|part)\.[^.]+$/.test(name)) : found;
  const ignored = found.length - inputs.length;
  if (ignored > 0) process.stderr.write(`${plural(ignored, "file")} made by an earlier run left out\n`);
  if (output !== undefined && outDir !== undefined) fail("--output and --out-dir: give one of them");
  if (output !== undefined && inputs.length > 1)
    fail(`--output names one file, but there are ${inputs.length} recordings; give --out-dir`);
  const jobs = inputs.map((input) => ({ input, output: output ?? outputOf(input, outDir) }));
  const taken = new Map<string, string>();
  for (const job of jobs) {
    const path = resolve(job.output);
    if (path === resolve(job.input))
      fail(`${job.input}: the annotated recording would replace it; name another`);
    const other = taken.get(path);
    if (other !== undefined) fail(`${other} and ${job.input} would both become ${job.output}`);
    taken.set(path, job.input);
  }
  return jobs;
}

function outputOf(input: string, outDir: string | undefined): string {
  const own = extname(input);
  const stem = basename(input, own);
  const extension = CONTAINERS.includes(own.toLowerCase()) ? own : ".mkv";
  return outDir === undefined
    ? join(dirname(input), `${stem}.annotated${extension}`)
    : join(outDir, `${stem}${extension}`);
}

/** Makes one annotated recording. Returns why it failed. */
async function annotate(
  { input, output }: Job,
  position: string,
  flags: Flags,
  signals: Signals,
): Promise<string | undefined> {
  const say = (text: string) => {
    if (!flags.quiet && !flags.json) process.stderr.write(`${position}${text}\n`);
  };
  if (!flags.force && (await isDone(input, output))) {
    say(`${input}: done already (${output}); --force does it again`);
    return undefined;
  }
  const [{ runShown }, plan] = await Promise.all([import("./run-shown.js"), planOf(input, output, flags)]);
  if (position) say(input);
  try {
    const summary = await runShown(plan, flags, signals);
    const [error] = summary.errors;
    if (error) return error.message;
    if (!signals.stop.aborted) say(doneLine(input, output, summary));
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) throw error; // the same for every recording
    process.stderr.write(`error: ${messageOf(error)}\n`);
    return messageOf(error);
  }
}

function doneLine(input: string, output: string, { sources, faces, seconds }: RunSummary): string {
  const [source] = sources;
  const { decoded = 0, mediaTimeMs = 0 } = source ?? {};
  const speed = (mediaTimeMs / 1000 / Math.max(seconds, 0.001)).toFixed(1);
  return `${input} -> ${output}: ${plural(decoded, "frame")}, ${plural(faces, "face")}, ${clock(seconds * 1000)} (${speed}x real time)`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function isDone(input: string, output: string): Promise<boolean> {
  const [from, to] = await Promise.all([input, output].map((path) => stat(path).catch(() => undefined)));
  return from !== undefined && to !== undefined && to.mtimeMs >= from.mtimeMs;
}

async function planOf(input: string, output: string, flags: Flags): Promise<Plan> {
  const { loadPipeline } = await import("../pipeline/load.js");
  const file = flags.pipeline ?? SHIPPED;
  const [video, out] = [resolve(input), resolve(output)];
  const plan = await loadPipeline(file, {
    env: { ...process.env, VIDEO: video, OUT: out },
    set: [
      ...flags.set,
      ...(flags.codec === undefined ? [] : [`sinks.video.codec=${JSON.stringify(flags.codec)}`]),
      ...(flags.quality === undefined ? [] : [`sinks.video.quality=${flags.quality}`]),
    ],
  });
  const has = (role: string, path: string) =>
    plan.nodes.some(({ component, options }) => component.role === role && options.path === path);
  if (!has("source", video) || !has("sink", out))
    throw new ConfigError(
      "ANNOTATE_PIPELINE",
      `${file}: a pipeline for \`annotate\` has a source with \`path: "\${VIDEO}"\` and a sink with \`path: "\${OUT}"\``,
    );
  return plan;
}
