import type { Colour } from "../events/palette.js";
import { count, escaped, scrollable } from "../text.js";
import type { Clock } from "./clock.js";
import { clockFace, elapsed, moment, percent } from "./format.js";
import type { Timeline } from "./timeline.js";

/** The x axis: a time span on a clock. */
export interface Axis {
  readonly clock: Clock;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Names and colours of expressions by index. */
export interface Legend {
  readonly labels: readonly string[];
  readonly colours: readonly Colour[];
}

/** The timeline of one camera or one track. */
export interface Lane {
  /** Empty if all tracks belong to one camera. */
  readonly camera: string;
  /** Absent for the whole camera. */
  readonly track?: number;
  readonly timeline: Timeline;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Width of drawings in SVG units; they are stretched to fit, while texts are outside and keep their size. */
const WIDTH = 1000;
const HEIGHT = 100;

/** Stacked shares of the expressions in each bucket, of the time with faces in it. */
export function shareChart(timeline: Timeline, legend: Legend, axis: Axis): string {
  const scale = [100, 50, 0].map((part) => `<span>${part} %</span>`).join("");
  const content = `${bars(timeline, legend, axis)}${tips(timeline, legend, axis)}`;
  const drawing = svg("tall", content, "Share of each expression over time");
  return `<div class="chart"><div class="scale">${scale}</div>${drawing}${ticks(axis)}</div>`;
}

/** Stacked lanes, coloured by expression. */
export function laneChart(lanes: readonly Lane[], legend: Legend, axis: Axis): string {
  const rows = lanes.map(({ camera, track, timeline, fromMs, toMs }) => {
    const [left, right] = [xOf(fromMs, axis), xOf(toMs, axis)];
    const whole = `<path class="lane" d="M${left} 0h${round(Math.max(2, right - left))}v${HEIGHT}H${left}z"/>`;
    const number = track === undefined ? "" : ` #${track}`;
    const name = `${camera}${number}`.trim();
    const what = `${name}, ${moment(fromMs, axis.clock)} to ${moment(toMs, axis.clock)}: ${shares(timeline, legend)}`;
    const drawing = svg("", `<title>${escaped(what)}</title>${whole}${bars(timeline, legend, axis)}`, what);
    return `<span class="name" title="${escaped(name)}"><span>${escaped(camera)}</span>${number}</span>${drawing}`;
  });
  return `<div class="chart">${rows.join("")}${ticks(axis)}</div>`;
}

/** Buckets as stacked bars; one path per expression, since there may be thousands of bars. */
function bars(timeline: Timeline, { colours }: Legend, axis: Axis): string {
  const paths = colours.map(() => "");
  for (const { startMs, ms } of timeline.entries()) {
    const { left, width } = placeOf(startMs, timeline.widthMs, axis);
    const total = sum(ms);
    let bottom = HEIGHT;
    ms.forEach((value = 0, label) => {
      const part = (value / total) * HEIGHT;
      if (!(part > 0)) return;
      bottom -= part;
      paths[label] += `M${left} ${round(bottom)}h${width}v${round(part)}h${-width}z`;
    });
  }
  return paths.map((d, label) => (d ? `<path fill="${colours[label]}" d="${d}"/>` : "")).join("");
}

/** Tooltips with the content of each bucket. */
function tips(timeline: Timeline, legend: Legend, axis: Axis): string {
  return timeline
    .entries()
    .map(({ startMs, ms }) => {
      const { left, width } = placeOf(startMs, timeline.widthMs, axis);
      const [from, to] = [startMs, startMs + timeline.widthMs].map((ms) =>
        moment(Math.max(axis.fromMs, Math.min(ms, axis.toMs)), axis.clock),
      );
      const what = `${from} to ${to}: ${parts(ms, legend)}`;
      return `<rect class="tip" x="${left}" width="${width}" height="${HEIGHT}"><title>${escaped(what)}</title></rect>`;
    })
    .join("");
}

function placeOf(startMs: number, widthMs: number, axis: Axis): { left: number; width: number } {
  const left = xOf(Math.max(startMs, axis.fromMs), axis);
  const right = xOf(Math.min(startMs + widthMs, axis.toMs), axis);
  return { left, width: round(Math.max(0.5, right - left)) };
}

function shares(timeline: Timeline, legend: Legend): string {
  const totals: number[] = [];
  for (const { ms } of timeline.entries())
    ms.forEach((value = 0, label) => {
      totals[label] = (totals[label] ?? 0) + value;
    });
  return `${elapsed(sum(totals))} in view; ${parts(totals, legend)}`;
}

/** `happy 61.0 %, neutral 39.0 %`: largest first. */
function parts(ms: readonly (number | undefined)[], { labels }: Legend): string {
  const total = sum(ms);
  return labels
    .map((name, label) => ({ name, part: (ms[label] ?? 0) / total }))
    .filter(({ part }) => part > 0)
    .sort((a, b) => b.part - a.part)
    .map(({ name, part }) => `${name} ${percent(part)}`)
    .join(", ");
}

function sum(values: readonly (number | undefined)[]): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  ...[0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 30, 90, 365, 3650].map((n) => n * DAY),
];
const MOST_TICKS = 8;

/** Round times below the drawing, at the smallest step that leaves room for their labels. */
function ticks(axis: Axis): string {
  const length = axis.toMs - axis.fromMs;
  const step = STEPS.find((candidate) => length / candidate <= MOST_TICKS) ?? length / MOST_TICKS;
  const marks: string[] = [];
  for (let n = Math.ceil(axis.fromMs / step); n * step <= axis.toMs; n++) {
    const left = (xOf(n * step, axis) / WIDTH) * 100;
    // Every second one is hidden on narrow screens.
    marks.push(
      `<span${n % 2 === 0 ? "" : ' class="odd"'} style="left:${round(left)}%">${tickText(n * step, step, axis.clock)}</span>`,
    );
  }
  return `<div class="axis">${marks.join("")}</div>`;
}

function tickText(ms: number, step: number, clock: Clock): string {
  if (clock === "media") return step < SECOND ? moment(ms, clock) : clockFace(Math.round(ms / SECOND));
  const iso = new Date(ms).toISOString();
  if (step >= DAY) return iso.slice(0, iso.indexOf("T"));
  const time = iso.slice(iso.indexOf("T") + 1);
  return time.slice(0, step >= MINUTE ? 5 : step >= SECOND ? 8 : 10);
}

function xOf(ms: number, { fromMs, toMs }: Axis): number {
  return round(toMs > fromMs ? (WIDTH * (ms - fromMs)) / (toMs - fromMs) : 0);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function svg(kind: string, content: string, what: string): string {
  return `<svg class="plot ${kind}" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${escaped(what)}">${content}</svg>`;
}

/** How long faces covered each cell of the frame; longer is darker. */
export function heatMap(heat: Float64Array, columns: number, aspect: number, name: string): string {
  const most = heat.reduce((a, b) => Math.max(a, b), 0) || 1;
  let cells = "";
  heat.forEach((ms, i) => {
    if (ms > 0)
      cells += `<path opacity="${(ms / most).toFixed(2)}" d="M${i % columns} ${Math.floor(i / columns)}h1v1h-1z"/>`;
  });
  const rows = heat.length / columns;
  return `<svg class="map" style="aspect-ratio:${aspect.toFixed(4)}" viewBox="0 0 ${columns} ${rows}" preserveAspectRatio="none" role="img" aria-label="Where faces were in view of ${escaped(name)}" shape-rendering="crispEdges">${cells}</svg>`;
}

/** More labels than these stand upright above their columns, which would need more room than a page or sheet has. */
const FEW_LABELS = 8;

/** How often one expression (row) changed to another (column). */
export function changeTable(
  changes: readonly (readonly number[] | undefined)[],
  labels: readonly string[],
): string {
  const most = Math.max(1, ...changes.flatMap((row) => Object.values(row ?? [])));
  const head = labels.map((label) => `<th scope="col"><span>${escaped(label)}</span></th>`).join("");
  const rows = labels.map((label, from) => {
    const cells = labels.map((other, to) => {
      const value = changes[from]?.[to] ?? 0;
      if (from === to) return `<td class="same"></td>`;
      const shade = Math.round(75 * Math.sqrt(value / most));
      return `<td style="--part:${shade}%" title="${escaped(`${label} to ${other}: ${count(value)}`)}">${value > 0 ? count(value) : "·"}</td>`;
    });
    return `<tr><th scope="row">${escaped(label)}</th>${cells.join("")}</tr>`;
  });
  const table = `<table class="matrix${labels.length > FEW_LABELS ? " many" : ""}"><thead><tr><th scope="col">from \\ to</th>${head}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
  return scrollable(table, "Changes");
}
