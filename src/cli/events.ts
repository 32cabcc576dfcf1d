import { once } from "node:events";
import { type Command, Option } from "commander";
import { ConfigError, messageOf } from "../errors.js";
import type { EmotionData, EmotionEvent } from "../events/index.js";
import { parseDuration } from "../pipeline/quantities.js";
import { count, plural } from "../text.js";
import { collect } from "./collect.js";
import { header, jsonLine, lineOf, oneLine } from "./event-table.js";
import { addNatsFlags, FLAGS, type NatsFlags, natsOptions } from "./nats-flags.js";
import { Signals } from "./signals.js";
import { percent, whole } from "./values.js";

interface Flags extends NatsFlags {
  readonly camera: string[];
  readonly track: string[];
  readonly label: string[];
  readonly kind: string[];
  readonly minConfidence?: string;
  readonly since?: string;
  readonly follow?: boolean;
  readonly stream?: string;
  readonly limit?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const KINDS = ["appeared", "changed", "sample", "left"] as const satisfies EmotionData["kind"][];

export function register(program: Command): void {
  const command = program
    .command("events")
    .description("Reads emotion events from NATS: live, or stored in a stream.")
    .argument("[subject]", "subject to read; `*` matches one token, `>` one or more at the end", "emotion.>")
    .option("--camera <id>", "only events of this camera (repeatable)", collect, [])
    .option("--track <number>", "only events of this face (repeatable)", collect, [])
    .option("--label <name>", "only events with this expression (repeatable)", collect, [])
    .addOption(
      new Option("--kind <kind>", "only events of this kind (repeatable)")
        .choices(KINDS)
        .argParser((kind: string, earlier: string[]) => {
          if (!KINDS.some((known) => known === kind)) throw wrong("--kind", kind, KINDS.join(", "));
          return collect(kind, earlier);
        })
        .default([]),
    )
    .option("--min-confidence <percent>", "only events with at least this confidence, e.g. 60%")
    .option(
      "--since <time>",
      "starts with what a JetStream stream holds since then: 10m, 2h, or 2026-11-25T08:00 (local time unless it ends with a zone)",
    )
    .option("--follow", "with --since: continues with live events")
    .option("--stream <name>", "with --since: the stream (default: the one that holds the subject)")
    .option("--limit <number>", "stops after this many events")
    .option("--json", "prints JSON lines on a terminal too")
    .option("-q, --quiet", "prints only warnings and errors");
  addNatsFlags(command)
    .addHelpText(
      "after",
      `
Prints a table on a terminal, otherwise one CloudEvents JSON object per line. Reads messages of either content mode.
Messages that are not emotion events are skipped, reported on standard error and counted. A lost connection is restored
automatically; unless you use --since with --follow, events published in the meantime are missed.
Ctrl-C stops. Exit codes: 0 success, 1 the server or stream cannot be read, 2 wrong usage.

Examples:
  $ pipeline events
  $ pipeline events 'emotion.door.*' --label happy --min-confidence 80%
  $ pipeline events --since 10m --follow
  $ pipeline events --since 2026-11-25T08:00 --camera door | jq -r .data.label | sort | uniq -c
  $ NATS_URL=tls://reader:secret@nats.example pipeline events --limit 1`,
    )
    .action(async (subject: string, flags: Flags) => {
      const signals = new Signals();
      try {
        await read(subject, flags, signals.stop);
      } finally {
        signals.end();
      }
    });
}

async function read(subject: string, flags: Flags, stopped: AbortSignal): Promise<void> {
  const wanted = filterOf(flags);
  const since = flags.since === undefined ? undefined : timeOf(flags.since, Date.now());
  const limit = flags.limit === undefined ? Number.POSITIVE_INFINITY : whole("--limit", flags.limit);
  if (since === undefined && (flags.follow || flags.stream !== undefined))
    throw new ConfigError("USAGE", `${flags.follow ? "--follow" : "--stream"} requires --since`);
  const { checkPattern, connectNats, listen, readEvent, replay, watchNats } = await import(
    "../nats/index.js"
  );
  checkPattern(subject);
  const say = (text: string) => {
    if (!flags.quiet) process.stderr.write(`${text}\n`);
  };

  const nats = await connectNats(natsOptions(flags), { name: "ekspresi events", wording: FLAGS });
  const output = new Output(stopped, process.stdout.isTTY === true && !flags.json);
  const { signal } = output;
  const watched = watchNats(nats, {
    lost: say,
    back: say,
    // A permission error ends the subscription, which reports it.
    complaint: (message, error) => error.name === "PermissionViolationError" || say(message),
  });
  let odd = 0;
  let missed = 0;
  let shown = 0;
  const messages =
    since === undefined
      ? listen(nats, subject, signal, (n) => {
          missed += n;
        })
      : replay(nats, subject, { since, follow: flags.follow ?? false, stream: flags.stream }, signal);
  if (since === undefined || flags.follow) say(`reading ${subject} from ${nats.shown}; press Ctrl-C to stop`);
  try {
    for await (const message of messages) {
      let event: EmotionEvent;
      try {
        event = readEvent(message);
      } catch (error) {
        if (++odd <= NAMED) say(`${oneLine(message.subject)}: skipped: ${oneLine(messageOf(error))}`);
        if (odd === NAMED) say("further messages that are not emotion events are only counted");
        continue;
      }
      if (!wanted(event)) continue;
      await output.write(event);
      if (++shown >= limit || signal.aborted) break;
    }
  } finally {
    await nats.close();
    await watched;
    output.close();
  }
  const notes = [
    ...(odd > 0 ? [`${plural(odd, "message")} skipped: not emotion events`] : []),
    ...(missed > 0 ? [`${count(missed)} missed: they arrived faster than they were read`] : []),
  ];
  if (notes.length > 0 || output.table) say([plural(shown, "event"), ...notes].join("; "));
}

/** How many skipped messages are reported individually; the rest are only counted. */
const NAMED = 5;

function filterOf(flags: Flags): (event: EmotionEvent) => boolean {
  const { camera, label, kind } = flags;
  const track = flags.track.map((text) => whole("--track", text));
  const least = flags.minConfidence === undefined ? 0 : percent("--min-confidence", flags.minConfidence);
  const fits = <T>(allowed: readonly T[], value: T) => allowed.length === 0 || allowed.includes(value);
  return ({ data }) =>
    fits(camera, data.camera) &&
    fits(track, data.track) &&
    fits(label, data.label) &&
    fits<string>(kind, data.kind) &&
    data.confidence >= least;
}

/** Parses `10m` (before now) or a date and time. Exported for tests. */
export function timeOf(text: string, nowMs: number): Date {
  const ms = parseDuration(text);
  const form = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/;
  // A bare date means local midnight; JavaScript would take it as midnight UTC.
  const at = ms === undefined ? Date.parse(text.includes("T") ? text : `${text}T00:00`) : nowMs - ms;
  if ((ms === undefined && !form.test(text)) || Number.isNaN(new Date(at).getTime()))
    throw wrong("--since", text, "a duration such as 10m or 2h, or a time such as 2026-11-25T08:00");
  if (at > nowMs) throw wrong("--since", text, "in the past");
  return new Date(at);
}

function wrong(flag: string, text: string, wanted: string): ConfigError {
  return new ConfigError("USAGE", `${flag} ${text}: must be ${wanted}`);
}

/** Standard output: a table or JSON lines. Its signal aborts on a stop request, or when the reader closes the pipe. */
class Output {
  readonly table: boolean;
  readonly #end = new AbortController();
  readonly signal: AbortSignal;
  #begun = false;

  constructor(stopped: AbortSignal, table: boolean) {
    this.table = table;
    this.signal = AbortSignal.any([stopped, this.#end.signal]);
    process.stdout.on("error", this.#gone);
  }

  /** Resolves when more can be written. */
  async write(event: EmotionEvent): Promise<void> {
    const text = this.table ? `${this.#begun ? "" : `${header()}\n`}${lineOf(event)}` : jsonLine(event);
    this.#begun = true;
    if (process.stdout.write(`${text}\n`) || this.signal.aborted) return;
    await once(process.stdout, "drain", { signal: this.signal }).catch(() => {});
  }

  close(): void {
    process.stdout.off("error", this.#gone);
    process.stdout.on("error", () => {}); // nobody is left to report a late failure to
  }

  readonly #gone = (): void => this.#end.abort();
}
