import { createLogUpdate } from "log-update";
import { errorColours as pc } from "../colours.js";
import type { SourceStats } from "../pipeline/context.js";
import type { RunView } from "../pipeline/run.js";
import { bar } from "./bar.js";
import { clock, count } from "./format.js";

const REFRESH_MS = 200;
/** Without a terminal a plain line is logged so often. */
const PLAIN_MS = 10_000;

/** The live figures of a run: redrawn in place on a terminal, a plain line now and then elsewhere. */
export class StatusLine {
  readonly #wanted: boolean;
  readonly #draw = createLogUpdate(process.stderr, { showCursor: true });
  readonly #rates = new Map<string, Rate>();
  #timer: NodeJS.Timeout | undefined;
  #view: RunView | undefined;
  #heading: ((view: RunView) => string) | undefined;
  #shown = "";
  #restore = () => {};

  constructor(wanted: boolean) {
    this.#wanted = wanted;
  }

  /** @param heading what stands above the figures, asked for each time */
  start(view: RunView, heading?: (view: RunView) => string): void {
    if (!this.#wanted) return;
    this.#view = view;
    this.#heading = heading;
    for (const source of view.stats.sources) this.#rateOf(source); // so that the first line has figures
    this.#timer = setInterval(() => this.#tick(), process.stderr.isTTY ? REFRESH_MS : PLAIN_MS);
    this.#timer.unref();
    if (process.stdout.isTTY && process.stderr.isTTY) this.#shareTerminal();
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

  /** Events on standard output and the line on standard error meet on one screen: each redraw would erase events. */
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
    const lines = [
      ...(this.#heading ? [this.#heading(this.#view)] : []),
      ...stats.sources.map((source) => this.#sourceLine(source)),
    ];
    const waiting = backlog() > 0 ? `  ${backlog()} events waiting` : "";
    lines.push(
      pc.dim(
        `faces ${count(stats.faces)}  events ${count(stats.events)}  queue ${leased()}/${slots}${waiting}`,
      ),
    );
    if (process.stderr.isTTY) {
      this.#shown = lines.join("\n");
      this.#draw(this.#shown);
    } else process.stderr.write(`${lines.join("  |  ")}\n`);
  }

  #sourceLine(source: SourceStats): string {
    const rate = this.#rateOf(source);
    const { id, live, state, dropped, reconnects, mediaTimeMs, durationMs } = source;
    if (state === "opening" || state === "reconnecting") return `${id}  ${pc.yellow(state)}`;
    const speed = live ? "" : `  ${rate.speed.toFixed(1)}x`;
    const losses = [
      dropped > 0 ? pc.yellow(`${count(dropped)} dropped`) : "",
      reconnects > 0 ? pc.yellow(`${reconnects} reconnects`) : "",
    ].filter(Boolean);
    const progress =
      !live && durationMs
        ? this.#progress(mediaTimeMs, durationMs, rate.speed, state)
        : `  ${clock(mediaTimeMs)}`;
    return [`${id}${progress}  ${rate.fps.toFixed(0)} fps${speed}`, ...losses].join("  ");
  }

  #rateOf(source: SourceStats): Rate {
    const rate = this.#rates.get(source.id) ?? new Rate();
    this.#rates.set(source.id, rate);
    rate.add(source);
    return rate;
  }

  #progress(mediaMs: number, durationMs: number, speed: number, state: string): string {
    const part = state === "ended" ? 1 : Math.min(1, Math.max(0, mediaMs / durationMs));
    const left = speed > 0 && part < 1 ? `  ${clock((durationMs - mediaMs) / speed)} left` : "";
    return `  ${bar(part)}  ${clock(mediaMs)}/${clock(durationMs)}${left}`;
  }
}

/** Frames and media time a second, over the last few seconds. */
class Rate {
  fps = 0;
  /** Media seconds a second. */
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
