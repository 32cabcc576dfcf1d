import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { ConfigError } from "../errors.js";
import { CONTAINERS, muxerOf } from "../media/containers.js";
import { namedFiles } from "../media/glob.js";
import { redact } from "../media/redact.js";
import { isUrl } from "../media/url.js";
import { identity } from "../pipeline/identity.js";
import { plural } from "../text.js";

/** What is written beside an annotated recording when asked for, by the flag. */
export const BESIDE = { events: ".jsonl", vtt: ".vtt", csv: ".csv" } as const;
export type Beside = keyof typeof BESIDE;

export interface FileFlags {
  readonly output?: string;
  readonly outDir?: string;
  readonly soft?: boolean;
  readonly events?: boolean;
  readonly vtt?: boolean;
  readonly csv?: boolean;
}

/** One recording, and the files that are made of it. */
export interface Job {
  readonly input: string;
  /** Bytes; 0 where it cannot be found. */
  readonly size: number;
  readonly output: string;
  readonly beside: Readonly<Partial<Record<Beside, string>>>;
}

/** What is to be made of the recordings that `names` and patterns name. Throws `ConfigError` where that cannot be. */
export async function jobsOf(names: readonly string[], flags: FileFlags): Promise<Job[]> {
  const { output, outDir } = flags;
  const inputs = await inputsOf(names);
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined && !existsSync(only)) throw usage(`${only}: no such file`);
  if (output !== undefined && outDir !== undefined) throw usage("--output and --out-dir: give one of them");
  if (output !== undefined && inputs.length > 1)
    throw usage(`--output names one file, but there are ${inputs.length} recordings; give --out-dir`);
  if (output !== undefined && (await stat(output).catch(() => undefined))?.isDirectory())
    throw usage(`--output ${output}: it is a folder; name a file, or give --out-dir`);
  const taken = new Map<string, string>();
  const jobs: Job[] = [];
  for (const input of inputs) {
    const job = await jobOf(input, output ?? outputOf(input, flags), flags);
    for (const file of [job.output, ...Object.values(job.beside)]) {
      if (identity(file) === identity(input))
        throw usage(`${input}: the annotated recording would replace it; name another`);
      const other = taken.get(resolve(file));
      if (other !== undefined) throw usage(`${other} and ${input} would both become ${file}`);
      taken.set(resolve(file), input);
    }
    jobs.push(job);
  }
  return jobs;
}

/** What the run writes its subtitles to before they become a track: with places where the container has them. */
export function softText({ output }: Job): string {
  const stem = output.slice(0, output.length - extname(output).length);
  return `${stem}.part.soft${muxerOf(output) === "matroska" ? ".ass" : ".srt"}`;
}

/** What the run writes its events to before they get their name, or become a table. */
export function eventsPart({ output }: Job): string {
  return `${output.slice(0, output.length - extname(output).length)}.part.jsonl`;
}

async function inputsOf(names: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const name of names) {
    if (isUrl(name))
      throw usage(
        `${redact(name)}: annotate takes files; for an address write a pipeline with a \`video\` sink`,
      );
    const files = await namedFiles(name);
    if (files.length === 0) throw usage(`${name}: no file matches`);
    found.push(...files);
  }
  // `*.mp4` also finds what an earlier run made.
  const inputs =
    found.length > 1 ? found.filter((name) => !/\.(annotated|soft|part)\.[^.]+$/.test(name)) : found;
  const ignored = found.length - inputs.length;
  if (ignored > 0) process.stderr.write(`${plural(ignored, "file")} made by an earlier run left out\n`);
  return inputs;
}

async function jobOf(input: string, output: string, flags: FileFlags): Promise<Job> {
  const info = await stat(input).catch(() => undefined);
  const stem = output.slice(0, output.length - extname(output).length);
  const wanted = (Object.keys(BESIDE) as Beside[]).filter((kind) => flags[kind]);
  return {
    ...{ input, output, size: info?.size ?? 0 },
    beside: Object.fromEntries(wanted.map((kind) => [kind, stem + BESIDE[kind]])),
  };
}

/** Containers that cannot be written become Matroska, which takes any sound. */
function outputOf(input: string, { outDir, soft }: FileFlags): string {
  const own = extname(input);
  const stem = basename(input, own);
  const extension = CONTAINERS.includes(own.toLowerCase()) ? own : ".mkv";
  return outDir === undefined
    ? join(dirname(input), `${stem}.${soft ? "soft" : "annotated"}${extension}`)
    : join(outDir, `${stem}${extension}`);
}

function usage(message: string): ConfigError {
  return new ConfigError("ANNOTATE_USAGE", message);
}
