import uPlot from "uplot";
import { element, setText } from "./element.js";
import { clock, percent } from "./format.js";
import { GONE_MS, type State, type Track } from "./state.js";

/** Maximum number of charts; the most recently seen faces take precedence. */
const MAX_CHARTS = 8;
/** Maximum number of points per chart. */
const MAX_POINTS = 600;
/** Two points further apart than this leave a gap in the chart, ms. */
const GAP_MS = 1500;
/** Height of the chart of a face in view, and of one that has left, CSS pixels. */
const HEIGHT = { present: 104, gone: 34 };

interface Row {
  readonly present: boolean;
  readonly root: HTMLElement;
  readonly now: HTMLElement;
  readonly plot: uPlot;
  readonly box: HTMLElement;
}

/** One chart per face: the probability of each expression as stacked bands. */
export class Timelines {
  readonly #root: HTMLElement;
  readonly #state: State;
  readonly #rows = new Map<string, Row>();
  #labels = "";
  spanMs = 60_000;
  readonly #resized = new ResizeObserver(() => {
    for (const { plot, box } of this.#rows.values())
      plot.setSize({ width: box.clientWidth, height: plot.height });
  });

  constructor(root: HTMLElement, state: State) {
    this.#root = root;
    this.#state = state;
  }

  reset(): void {
    for (const { plot } of this.#rows.values()) plot.destroy();
    this.#resized.disconnect();
    this.#rows.clear();
    this.#root.replaceChildren();
  }

  /** Shows the last minutes up to now. */
  refresh(): void {
    const labels = this.#state.labels.join();
    if (labels !== this.#labels) this.reset();
    this.#labels = labels;
    const shown = this.#chosen();
    const present = new Set(this.#state.present);
    const focused = [...this.#rows].find(([, { box }]) => box === document.activeElement)?.[0];
    for (const [key, row] of this.#rows)
      if (!shown.some((track) => track.key === key && present.has(track) === row.present))
        this.#drop(key, row);
    for (const track of shown) {
      let row = this.#rows.get(track.key);
      if (!row) {
        row = this.#row(track, present.has(track));
        this.#rows.set(track.key, row);
      }
      this.#fill(row, track);
    }
    const order = shown.flatMap(({ key }) => this.#rows.get(key)?.root ?? []);
    for (const [i, root] of order.entries())
      if (this.#root.children[i] !== root) this.#root.insertBefore(root, this.#root.children[i] ?? null);
    // A chart that was made anew or moved has lost it.
    const box = this.#rows.get(focused ?? "")?.box;
    if (box && box !== document.activeElement) box.focus({ preventScroll: true });
    this.#root.toggleAttribute("data-empty", order.length === 0);
  }

  /** Redraws in the colours of another theme. */
  redraw(): void {
    for (const { plot } of this.#rows.values()) plot.redraw(false, true);
  }

  /** The faces seen last: those in view by camera and number, then those that have left. */
  #chosen(): Track[] {
    const since = ({ camera }: Track) => (this.#state.cameras[camera]?.nowMs ?? 0) - this.spanMs;
    return [...this.#state.tracks.values()]
      .filter((track) => (track.times.at(-1) ?? 0) >= since(track) && track.times.length > 1)
      .map((track) => ({
        track,
        age: (this.#state.cameras[track.camera]?.nowMs ?? 0) - (track.times.at(-1) ?? 0),
      }))
      .sort((a, b) => a.age - b.age)
      .slice(0, MAX_CHARTS)
      .sort(
        (a, b) =>
          gone(a.age) - gone(b.age) || a.track.camera - b.track.camera || a.track.number - b.track.number,
      )
      .map(({ track }) => track);
  }

  #drop(key: string, { plot, root, box }: Row): void {
    this.#resized.unobserve(box);
    plot.destroy();
    root.remove();
    this.#rows.delete(key);
  }

  #row(track: Track, present: boolean): Row {
    const name = element("b");
    const now = element("span", { class: "now" });
    const box = element("div", { class: "chart", tabindex: "0", role: "slider" });
    const root = element(
      "article",
      { class: "row", "data-track": track.key },
      element("p", {}, name, now),
      box,
    );
    setText(name, nameOf(track, this.#state));
    this.#root.append(root);
    const plot = this.#plot(box, track, now, present);
    this.#resized.observe(box);
    box.addEventListener("keydown", (event) => {
      const { left = -1 } = plot.cursor;
      const last = plot.over.clientWidth - 1;
      const from = left >= 0 ? left : last;
      const to = { ArrowLeft: from - 8, ArrowRight: from + 8, Home: 0, End: last }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      const at = Math.max(0, Math.min(last, to));
      plot.setCursor({ left: at, top: 1 });
      box.setAttribute("aria-valuenow", plot.posToVal(at, "x").toFixed(1));
      box.setAttribute("aria-valuetext", now.textContent);
    });
    box.addEventListener("blur", () => plot.setCursor({ left: -10, top: -10 }));
    return { present, root, now, plot, box };
  }

  #plot(box: HTMLElement, track: Track, now: HTMLElement, present: boolean): uPlot {
    const { labels, colours } = this.#state;
    const axis = {
      stroke: () => style("--dim"),
      font: "11px system-ui, sans-serif",
      ticks: { show: false },
    };
    return new uPlot(
      {
        width: box.clientWidth,
        height: present ? HEIGHT.present : HEIGHT.gone,
        // On the right, room for half of a time below the axis.
        padding: [6, 16, 0, 0],
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
        scales: { x: { time: false, auto: false }, y: { auto: false, range: [0, 1] } },
        axes: [
          {
            ...axis,
            size: present ? 20 : 0,
            gap: 4,
            space: 70,
            grid: { show: false },
            values: (_, splits) => splits.map((s) => (s < 0 ? "" : clock(s * 1000))),
          },
          {
            ...axis,
            size: 40,
            gap: 5,
            splits: () => (present ? [0, 0.5, 1] : []),
            values: (_, splits) => splits.map(percent),
            grid: { stroke: () => style("--grid"), width: 1 },
          },
        ],
        // The topmost band is drawn first and covered by the ones below it.
        series: [
          {},
          ...labels.map((_, i) => ({
            fill: colours[labels.length - 1 - i] ?? "#999999",
            stroke: () => style("--surface"),
            width: 0.5,
            points: { show: false },
          })),
        ],
        hooks: { setCursor: [(plot) => this.#read(plot, track, now)] },
      },
      [[], ...labels.map(() => [])],
      box,
    );
  }

  /** Shows the values at the cursor. */
  #read(plot: uPlot, track: Track, now: HTMLElement): void {
    const { left } = plot.cursor;
    if (left === undefined || left < 0) {
      setText(now, this.#nowOf(track));
      return;
    }
    const atMs = plot.posToVal(left, "x") * 1000;
    const at = nearest(track.times, atMs);
    const far = Math.abs((track.times[at] ?? Number.NEGATIVE_INFINITY) - atMs) > GAP_MS;
    const best = far ? [] : ranked(track.chances[at] ?? [], this.#state.labels).slice(0, 3);
    const what = best.map(({ label, chance }) => `${label} ${percent(chance)}`).join(", ");
    setText(now, `at ${clock(atMs, true)}: ${what || "not seen"}`);
  }

  #nowOf(track: Track): string {
    const label = this.#state.labels[track.labels.at(-1) ?? -1];
    if (label === undefined) return "";
    const chance = (track.chances.at(-1)?.[track.labels.at(-1) ?? -1] ?? 0) / 1000;
    return `${label} ${percent(chance)}`;
  }

  #fill({ plot, box, now }: Row, track: Track): void {
    const nowMs = this.#state.cameras[track.camera]?.nowMs ?? 0;
    const from = nowMs - this.spanMs;
    const columns = stacked(track, this.#state.labels.length, from);
    plot.batch(() => {
      plot.setData(columns as uPlot.AlignedData, false);
      plot.setScale("x", { min: from / 1000, max: nowMs / 1000 });
    });
    if (plot.cursor.left === undefined || plot.cursor.left < 0) setText(now, this.#nowOf(track));
    if (box !== document.activeElement) this.#describe(box, track, from, nowMs);
  }

  /** For screen readers. Not while the chart has focus: they would read every change aloud. */
  #describe(box: HTMLElement, track: Track, fromMs: number, nowMs: number): void {
    const values = {
      "aria-label": `${nameOf(track, this.#state)}, expressions over time`,
      "aria-valuemin": (fromMs / 1000).toFixed(1),
      "aria-valuemax": (nowMs / 1000).toFixed(1),
      "aria-valuenow": (nowMs / 1000).toFixed(1),
      "aria-valuetext": `now ${this.#nowOf(track) || "unknown"}`,
    };
    for (const [name, value] of Object.entries(values)) box.setAttribute(name, value);
  }
}

export function nameOf({ camera, number }: Track, { cameras }: State): string {
  return cameras.length > 1 ? `#${number} ${cameras[camera]?.id ?? ""}` : `#${number}`;
}

/** Labels with their probabilities, most likely first. */
export function ranked(thousandths: readonly number[], labels: readonly string[]) {
  return labels
    .map((label, index) => ({ label, index, chance: (thousandths[index] ?? 0) / 1000 }))
    .sort((a, b) => b.chance - a.chance);
}

/** Seconds, then the upper edge of each band from top to bottom; `null` where the face was not seen. */
function stacked(track: Track, labels: number, fromMs: number): (number | null)[][] {
  const { times, chances } = track;
  const first = Math.max(0, times.findIndex((atMs) => atMs >= fromMs) - 1);
  const step = Math.max(1, Math.ceil((times.length - first) / MAX_POINTS));
  const columns: (number | null)[][] = Array.from({ length: labels + 1 }, () => []);
  let before = times[first] ?? 0;
  // Counted from the start, so that the same points are drawn while the chart moves.
  for (let i = first - (first % step); i < times.length; i += step) {
    const atMs = times[i] ?? 0;
    if (atMs - before > GAP_MS * step) {
      columns[0]?.push((before + 1) / 1000);
      for (let label = 1; label <= labels; label++) columns[label]?.push(null);
    }
    before = atMs;
    columns[0]?.push(atMs / 1000);
    const row = chances[i] ?? [];
    const sum = row.reduce((all, part) => all + part, 0) || 1;
    let below = 1;
    for (let label = labels - 1; label >= 0; label--) {
      columns[labels - label]?.push(Math.max(0, below));
      below -= (row[label] ?? 0) / sum;
    }
  }
  return columns;
}

/** Index of the value closest to `wanted` in a sorted list. */
function nearest(sorted: readonly number[], wanted: number): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  const before = Math.max(0, low - 1);
  return wanted - (sorted[before] ?? 0) < (sorted[low] ?? 0) - wanted ? before : low;
}

/** 1 if a face is no longer in view, for sorting. */
function gone(ageMs: number): number {
  return ageMs > GONE_MS ? 1 : 0;
}

function style(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
