import { createWriteStream } from "node:fs";
import { mkdir, rm, stat } from "node:fs/promises";
import { dirname, extname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { type Command, Option } from "commander";
import { diskReason } from "../disk.js";
import { ConfigError, SinkError } from "../errors.js";
import { namedFiles } from "../media/glob.js";
import { identity } from "../pipeline/identity.js";
import { isPipeOrDevice, renameOver } from "../replace-file.js";
import type { Clock, Input } from "../report/index.js";
import { count, plural } from "../text.js";
import { bar } from "./bar.js";
import { oneLine } from "./event-table.js";
import { clock } from "./format.js";
import { type Redrawn, redrawn } from "./redrawn.js";
import { Signals } from "./signals.js";
import { errorColumns } from "./terminal.js";

const FORMATS = ["html", "md", "csv"] as const;
type Format = (typeof FORMATS)[number];

interface Flags {
  readonly output?: string;
  readonly format?: Format;
  readonly title?: string;
  readonly clock?: Clock;
  readonly quiet?: boolean;
}

export function register(program: Command): void {
  program
    .command("report")
    .description("Turns the output of a `jsonl` sink into a web page, Markdown or a table.")
    .argument(
      "<files...>",
      "events as JSON lines (.gz too), patterns such as 'out/*.jsonl', or - for standard input",
    )
    .option("-o, --output <file>", "the report (default: standard output)")
    .addOption(
      new Option(
        "--format <format>",
        "format of the report (default: by the extension of --output, else html)",
      ).choices(FORMATS),
    )
    .option("--title <text>", "title of the report", "Expression report")
    .addOption(
      new Option(
        "--clock <clock>",
        "shows times of day (wall) or times in the recording (media; default for events from a recording)",
      ).choices(["wall", "media"]),
    )
    .option("-q, --quiet", "prints only warnings and errors")
    .addHelpText(
      "after",
      `
The page is self-contained: no other files, no network, no scripts. It shows expressions over time, by face and overall,
changes from one to another, where faces were, and the first and last events.

Files are streamed, so they can be of any size. Give the rotated files of one run together and in order, as a pattern
does. For still images, which have no time in view, shares are shares of faces.
A line that is not an event (truncated, damaged) is skipped, reported on standard error and counted in the report.
The report appears under its name only once it is complete.
Exit codes: 0 success, 1 nothing could be read or written, 2 wrong usage, 130 stopped.

Examples:
  $ pipeline report out/lobby.jsonl -o lobby.html
  $ pipeline report 'out/lobby*.jsonl' -o lobby.html --title "Lobby, November"
  $ pipeline report out/lobby.jsonl --format md
  $ pipeline report out/lobby.jsonl -o lobby.csv
  $ pipeline events --since 24h --json | pipeline report - -o day.html`,
    )
    .action(async (names: string[], flags: Flags) => {
      const format = formatOf(flags);
      const inputs = await inputsOf(names, flags.output);
      const signals = new Signals("nothing is written");
      try {
        await write(inputs, format, flags, signals.stop);
      } finally {
        signals.end();
      }
      if (signals.stop.aborted) process.exitCode = 130;
    });
}

function usage(message: string): ConfigError {
  return new ConfigError("REPORT_USAGE", message);
}

function formatOf({ output, format }: Flags): Format {
  if (format) return format;
  if (output === undefined) {
    if (process.stdout.isTTY)
      throw usage(
        "an HTML page cannot be shown on a terminal; write it to a file with -o report.html, or give --format md",
      );
    return "html";
  }
  const ending = extname(output).slice(1).toLowerCase();
  const found = FORMATS.find((name) => name === ending || (name === "html" && ending === "htm"));
  if (!found) throw usage(`${output}: unknown extension; use .html, .md or .csv, or give --format`);
  return found;
}

interface SizedInput extends Input {
  /** Bytes, for a file. */
  readonly size?: number;
}

async function inputsOf(names: readonly string[], output: string | undefined): Promise<SizedInput[]> {
  const inputs: SizedInput[] = [];
  for (const name of names) {
    if (name === "-") inputs.push({ name: "standard input", from: process.stdin });
    else {
      const paths = await namedFiles(name);
      if (paths.length === 0) throw usage(`${name}: no file matches`);
      for (const path of paths) inputs.push(await fileOf(path, output));
    }
  }
  if (names.filter((name) => name === "-").length > 1)
    throw usage("-: standard input can only be read once; give it once");
  return inputs;
}

async function fileOf(path: string, output: string | undefined): Promise<SizedInput> {
  if (output !== undefined && identity(path) === identity(output))
    throw usage(`${path}: the report would overwrite its input; choose another output`);
  const info = await stat(path).catch(() => undefined);
  if (!info) throw usage(`${path}: no such file`);
  if (info.isDirectory()) throw usage(`${path}: it is a folder; give '${path}/*.jsonl' for the files in it`);
  return { name: path, from: path, ...(info.isFile() && { size: info.size }) };
}

async function write(
  inputs: readonly SizedInput[],
  format: Format,
  { output, title = "", clock: chosen, quiet }: Flags,
  signal: AbortSignal,
): Promise<void> {
  const { csvOf, htmlOf, markdownOf, namesOf, readEvents, summarise } = await import("../report/index.js");
  const progress = new Progress(inputs, !quiet, await redrawn());
  const read = readEvents(inputs, {
    signal,
    onBroken: (place, why) => progress.broken(place, why),
    onBytes: (bytes) => progress.read(bytes),
  });
  const events = progress.counting(read);
  const whole = async function* () {
    const summary = await summarise(events, namesOf(inputs), chosen);
    progress.check();
    const heading = { title, broken: progress.odd };
    if (!signal.aborted) yield format === "html" ? htmlOf(summary, heading) : markdownOf(summary, heading);
  };
  const text = format === "csv" ? csvOf(events, () => progress.leftOut++) : whole();
  try {
    if (output === undefined) await print(text);
    else await save(output, text, signal, () => progress.check());
  } finally {
    progress.end();
  }
  if (signal.aborted) return;
  progress.check();
  progress.tellLeftOut();
  const from = output === undefined ? "" : `${output}: `;
  progress.say(`${from}${[plural(progress.events, "event"), ...progress.notes()].join("; ")}`);
}

/** Ends silently if standard output fails: the command line's own handler reports that where needed. */
async function print(text: AsyncIterable<string>): Promise<void> {
  try {
    await pipeline(Readable.from(text), process.stdout, { end: false });
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall !== "write" && code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
}

/** Writes to a temporary file and renames it once it is complete and `check` has passed. */
async function save(
  path: string,
  text: AsyncIterable<string>,
  signal: AbortSignal,
  check: () => void,
): Promise<void> {
  const direct = await isPipeOrDevice(path);
  const part = direct ? path : `${path}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await pipeline(Readable.from(text), createWriteStream(part));
    check();
    if (!signal.aborted && !direct) await renameOver(part, path);
  } catch (cause) {
    const { syscall } = cause as NodeJS.ErrnoException;
    if (syscall === undefined) throw cause;
    throw new SinkError("REPORT_WRITE", `${path} cannot be written: ${diskReason(cause)}`, { cause });
  } finally {
    if (!direct) await rm(part, { force: true });
  }
}

const REFRESH_MS = 200;
/** How many skipped lines are reported individually; the rest are only counted. */
const NAMED = 5;

/** Reading progress, redrawn in place on a terminal, and the lines that were skipped. */
class Progress {
  events = 0;
  /** Lines that are not events. */
  odd = 0;
  /** Events with probabilities for which there is no column. */
  leftOut = 0;
  readonly #inputs: readonly SizedInput[];
  readonly #total: number | undefined;
  readonly #wanted: boolean;
  readonly #draw: Redrawn;
  readonly #startMs = performance.now();
  #bytes = 0;
  #drawnMs = 0;
  #shown = false;
  /** Messages held back until the first event: a file without events gets a single message. */
  #held: string[] = [];
  /** What is wrong with the first line that is not an event. */
  #first = "";

  constructor(inputs: readonly SizedInput[], wanted: boolean, draw: Redrawn) {
    this.#inputs = inputs;
    this.#draw = draw;
    this.#wanted = wanted;
    const sizes = inputs.map(({ size }) => size);
    this.#total = sizes.includes(undefined) ? undefined : sizes.reduce<number>((sum, n) => sum + (n ?? 0), 0);
  }

  async *counting<T>(batches: AsyncIterable<readonly T[]>): AsyncGenerator<readonly T[]> {
    for await (const batch of batches) {
      this.events += batch.length;
      for (const text of this.#held.splice(0)) this.#tell(text);
      this.#show();
      yield batch;
    }
  }

  read(bytes: number): void {
    this.#bytes += bytes;
  }

  broken(place: string, why: string): void {
    if (++this.odd > NAMED) return;
    const further = this.odd === NAMED ? "\nfurther lines that are not events are only counted" : "";
    const text = `${oneLine(place)}: skipped: ${why}${further}`;
    if (this.events > 0) this.#tell(text);
    else this.#held.push(text);
    this.#first ||= ` (the first: ${why})`;
  }

  /** Throws if there were lines but not a single event. */
  check(): void {
    if (this.events > 0 || this.odd === 0) return;
    const names = this.#inputs.map(({ name }) => name).join(", ");
    throw new SinkError(
      "REPORT_EVENTS",
      `${names}: no emotion events in ${plural(this.odd, "line")}${this.#first}; give a file written by a \`jsonl\` sink`,
    );
  }

  tellLeftOut(): void {
    if (this.leftOut > 0)
      this.#tell(
        `${plural(this.leftOut, "event")} with probabilities that have no column; the first event determines the columns`,
      );
  }

  notes(): string[] {
    return this.odd > 0 ? [`${plural(this.odd, "line")} skipped`] : [];
  }

  say(text: string): void {
    if (this.#wanted) this.#tell(text);
  }

  end(): void {
    if (this.#shown) this.#draw.clear();
    this.#shown = false;
  }

  #tell(text: string): void {
    this.end();
    process.stderr.write(`${text}\n`);
  }

  #show(): void {
    const now = performance.now();
    if (!this.#wanted || errorColumns() === undefined || now - this.#drawnMs < REFRESH_MS) return;
    this.#drawnMs = now;
    const events = `${count(this.events)} events`;
    const part = this.#total ? Math.min(1, this.#bytes / this.#total) : 0;
    const left = ((now - this.#startMs) * (1 - part)) / part;
    this.#draw(part > 0 ? `${bar(part)}  ${events}  ${clock(left)} left` : events);
    this.#shown = true;
  }
}
