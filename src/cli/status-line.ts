import { errorColours as pc } from "../colours.js";
import { partDone, type SourceStats } from "../pipeline/context.js";
import type { Buckets } from "../pipeline/histogram.js";
import type { RunView } from "../pipeline/run.js";
import { count, plural } from "../text.js";
import { BAR_WIDTHS, bar } from "./bar.js";
import { clock, latency } from "./format.js";
import type { Redrawn } from "./redrawn.js";
import { errorColumns, fitting } from "./terminal.js";

const REFRESH_MS = 200;
/** Interval of plain lines without a terminal. */
const PLAIN_MS = 10_000;

/** The live figures of a run: redrawn in place on a terminal, a plain line every few seconds elsewhere. */
export class StatusLine {
  readonly #wanted: boolean;
  readonly #draw: Redrawn;
  readonly #rates = new Map<string, Rate>();
  readonly #latency = new RecentLatency();
  #timer: NodeJS.Timeout | undefined;
  #view: RunView | undefined;
  #heading: ((view: RunView) => string) | undefined;
  #shown = "";
  #restore = () => {};

  constructor(wanted: boolean, draw: Redrawn) {
    this.#wanted = wanted;
    this.#draw = draw;
  }

  /** @param heading text above the figures, computed on each redraw */
  start(view: RunView, heading?: (view: RunView) => string): void {
    if (!this.#wanted) return;
    this.#view = view;
    this.#heading = heading;
    for (const source of view.stats.sources) this.#rateOf(source); // so that the first line has figures
    this.#timer = setInterval(() => this.#tick(), errorColumns() ? REFRESH_MS : PLAIN_MS);
    this.#timer.unref();
    if (process.stdout.isTTY && errorColumns()) this.#shareTerminal();
  }

  /** Prints something above the line. */
  above<T>(say: () => T): T {
    if (!this.#shown) return say();
    this.#draw.clear();
    const said = say();
    this.#draw(this.#shown);
    return said;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#restore();
    if (this.#shown) this.#draw.clear();
    this.#shown = "";
    this.#view = undefined;
  }

  /** When events on standard output share the screen with this line, redrawing would erase events. */
  #shareTerminal(): void {
    const { stdout } = process;
    const { write } = stdout;
    stdout.write = new Proxy(write, {
      apply: (target, self, args) => this.above(() => Reflect.apply(target, self, args)),
    });
    this.#restore = () => {
      stdout.write = write;
    };
  }

  #tick(): void {
    if (!this.#view) return;
    const { stats, leased, slots, backlog } = this.#view;
    const columns = errorColumns();
    const lines = [
      ...(this.#heading ? [this.#heading(this.#view)] : []),
      ...stats.sources.map((source) => this.#sourceLine(source, columns)),
    ];
    lines.push(
      pc.dim(
        [
          `detections ${count(stats.faces)}`,
          `events ${count(stats.events)}`,
          `queue ${leased()}/${slots}`,
          ...(backlog() > 0 ? [`${backlog()} waiting for sinks`] : []),
          ...(stats.sources.every(({ live }) => live) ? this.#latency.of(stats.eventDelayMs) : []),
        ].join("  "),
      ),
    );
    if (columns) {
      this.#shown = lines.join("\n");
      this.#draw(this.#shown);
    } else process.stderr.write(`${lines.join("  |  ")}\n`);
  }

  #sourceLine(source: SourceStats, columns = Number.POSITIVE_INFINITY): string {
    const rate = this.#rateOf(source);
    const { id, live, state, dropped, reconnects, mediaTimeMs, durationMs } = source;
    if (state === "opening" || state === "reconnecting") return `${id}  ${pc.yellow(state)}`;
    const speed = live ? "" : `  ${rate.speed.toFixed(1)}x`;
    const losses = [
      dropped > 0 ? pc.yellow(`${count(dropped)} dropped`) : "",
      reconnects > 0 ? pc.yellow(plural(reconnects, "reconnect")) : "",
    ].filter(Boolean);
    const figures = [`${rate.fps.toFixed(0)} fps${speed}`, ...losses].join("  ");
    const done = partDone(source);
    if (live || !durationMs || done === undefined) return `${id}  ${clock(mediaTimeMs)}  ${figures}`;
    const part = state === "ended" ? 1 : done;
    const left = rate.speed > 0 && part < 1 ? `  ${clock((durationMs - mediaTimeMs) / rate.speed)} left` : "";
    const form = (width: number, rest: string) =>
      `${id}  ${bar(part, width)}  ${clock(mediaTimeMs)}/${clock(durationMs)}${rest}`;
    return fitting(columns, [
      ...BAR_WIDTHS.map((width) => form(width, `${left}  ${figures}`)),
      form(0, `  ${figures}`),
      form(0, ""),
    ]);
  }

  #rateOf(source: SourceStats): Rate {
    const rate = this.#rates.get(source.id) ?? new Rate();
    this.#rates.set(source.id, rate);
    rate.add(source);
    return rate;
  }
}

/** Frames and media time per second, over the last few seconds. */
class Rate {
  fps = 0;
  /** Media seconds per second. */
  speed = 0;
  readonly #samples: { atMs: number; decoded: number; mediaMs: number }[] = [];

  add({ decoded, mediaTimeMs }: SourceStats): void {
    const atMs = performance.now();
    this.#samples.push({ atMs, decoded, mediaMs: mediaTimeMs });
    while (this.#samples.length > 2 && atMs - (this.#samples[0]?.atMs ?? 0) > 5000) this.#samples.shift();
    const [first] = this.#samples;
    if (!first || atMs === first.atMs) return;
    this.fps = ((decoded - first.decoded) * 1000) / (atMs - first.atMs);
    this.speed = (mediaTimeMs - first.mediaMs) / (atMs - first.atMs);
  }
}

const RECENT_MS = 15_000;

/** Latency of the events of the last 15 to 30 s, so that a growing delay shows at once. */
class RecentLatency {
  #sinceMs = performance.now();
  #before: readonly number[] = [];
  #now: readonly number[] = [];

  of({ bounds, counts }: Buckets): string[] {
    if (performance.now() - this.#sinceMs > RECENT_MS) {
      this.#sinceMs = performance.now();
      this.#before = this.#now;
      this.#now = [...counts];
    }
    const recent = { bounds, counts: counts.map((count, i) => count - (this.#before[i] ?? 0)) };
    return latency(recent);
  }
}
