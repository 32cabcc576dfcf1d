import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { ConfigError } from "../errors.js";
import { CONTAINERS, muxerOf } from "../media/containers.js";
import { namedFiles } from "../media/glob.js";
import { redact } from "../media/redact.js";
import { isUrl } from "../media/url.js";
import type { Log } from "../pipeline/context.js";
import { identity } from "../pipeline/identity.js";
import { plural } from "../text.js";
import { checkFile, checkFolder } from "./writable.js";

/** Files written next to an annotated recording on request, by flag. */
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

/** One recording and the files made from it. */
export interface Job {
  readonly input: string;
  /** Bytes; 0 if the file is not found. */
  readonly size: number;
  readonly output: string;
  readonly beside: Readonly<Partial<Record<Beside, string>>>;
}

/** The jobs for the files and patterns in `names`. Throws `ConfigError` on wrong usage. */
export async function jobsOf(names: readonly string[], flags: FileFlags, log: Log): Promise<Job[]> {
  const { output, outDir } = flags;
  const inputs = await inputsOf(names, log);
  const [only] = inputs;
  if (inputs.length === 1 && only !== undefined && !existsSync(only)) throw usage(`${only}: no such file`);
  if (output !== undefined && outDir !== undefined)
    throw usage("--output and --out-dir cannot be combined; give one of them");
  if (output !== undefined && inputs.length > 1)
    throw usage(`--output takes one file, but there are ${inputs.length} recordings; use --out-dir`);
  if (output !== undefined) await checkFile("--output", output);
  if (outDir !== undefined) await checkFolder("--out-dir", outDir);
  const taken = new Map<string, string>();
  const jobs: Job[] = [];
  for (const input of inputs) {
    const job = await jobOf(input, output ?? outputOf(input, flags), flags);
    for (const file of [job.output, ...Object.values(job.beside)]) {
      if (identity(file) === identity(input))
        throw usage(`${input}: the annotated recording would overwrite its input; choose another output`);
      const other = taken.get(identity(file));
      if (other !== undefined)
        throw usage(
          `${other} and ${input} would both be written to ${file}; rename one or annotate them separately`,
        );
      taken.set(identity(file), input);
    }
    jobs.push(job);
  }
  return jobs;
}

/** Where the run writes subtitles before they become a track: in ASS, with positions, if the container supports it. */
export function softText({ output }: Job): string {
  const stem = output.slice(0, output.length - extname(output).length);
  return `${stem}.part.soft${muxerOf(output) === "matroska" ? ".ass" : ".srt"}`;
}

/** Where the run writes events before they are renamed or converted to a table. */
export function eventsPart({ output }: Job): string {
  return `${output.slice(0, output.length - extname(output).length)}.part.jsonl`;
}

/** Where the run writes the WebVTT file before it is renamed. */
export function vttPart({ output }: Job): string {
  return `${output.slice(0, output.length - extname(output).length)}.part.vtt`;
}

async function inputsOf(names: readonly string[], log: Log): Promise<string[]> {
  /** By identity: patterns may overlap. */
  const known = new Map<string, string>();
  for (const name of names) {
    if (isUrl(name))
      throw usage(
        `${redact(name)}: annotate only takes files; for a URL, write a pipeline with a \`video\` sink`,
      );
    const files = await namedFiles(name);
    if (files.length === 0) throw usage(`${name}: no file matches`);
    for (const file of files) if (!known.has(identity(file))) known.set(identity(file), file);
  }
  const found = [...known.values()];
  // `*.mp4` also matches the output of earlier runs.
  const inputs =
    found.length > 1 ? found.filter((name) => !/\.(annotated|soft|part)\.[^.]+$/.test(name)) : found;
  const ignored = found.length - inputs.length;
  if (ignored > 0) log.info(`skipped ${plural(ignored, "file")} made by an earlier run`);
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

/** Falls back to Matroska, which takes any audio, if the input's container cannot be written. */
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
