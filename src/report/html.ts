import { coloursOf } from "../events/palette.js";
import { count, escaped, plural, scrollable } from "../text.js";
import { COLUMNS } from "./cameras.js";
import { type Axis, changeTable, heatMap, type Lane, type Legend, laneChart, shareChart } from "./chart.js";
import { elapsed, moment, percent } from "./format.js";
import { STYLE } from "./style.js";
import { FACES_ONLY, type Summary } from "./summary.js";
import { SHOWN_TRACKS } from "./tracks.js";

const SHOWN_CAMERAS = 12;

/** The page loads nothing and runs no scripts, wherever it is opened. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** The heading of a report. */
export interface Heading {
  readonly title: string;
  /** Number of skipped lines that were not events. */
  readonly broken: number;
}

/** The report as a self-contained page. */
export function htmlOf(summary: Summary, heading: Heading): string {
  const title = escaped(heading.title);
  const content =
    summary.events === 0 ? "<p>There are no events.</p>" : sections(summary, heading.broken).join("\n");
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${POLICY}"><title>${title}</title><style>${STYLE}</style></head>
<body><main><header><h1>${title}</h1>${about(summary)}</header>
${content}
<footer>An expression is what people would see in a face, not what a person feels, and models are often wrong. An expression lasts until the track's next event; a face that was lost and found again is a new track. ${summary.clock === "wall" ? "Times are UTC." : "Times count from the start of the recording."}</footer>
</main></body></html>
`;
}

function sections(summary: Summary, broken: number): string[] {
  const legend = { labels: summary.labels, colours: coloursOf(summary.labels) };
  return [
    figures(summary, broken),
    ...(summary.inViewMs > 0 ? overTime(summary, legend) : [section(SHARES, shareOf(summary, legend))]),
    section("Events", tableOf(summary, legend)),
  ];
}

function overTime(summary: Summary, legend: Legend): string[] {
  const { clock, fromMs, toMs, cameras, timeline } = summary;
  const axis = { clock, fromMs, toMs };
  const shares = `${shareOf(summary, legend)}${shareChart(timeline, legend, axis)}`;
  const one = cameras.length === 1;
  return [
    `<div style="--names:${one ? 3.2 : 10}rem">${section(SHARES, shares)}${one ? "" : section("Cameras", camerasOf(summary, legend, axis))}${section("Tracks", tracksOf(summary, legend, axis))}</div>`,
    `<div class="pair">${section("Changes", changesOf(summary))}${section("Where faces were", mapsOf(summary))}</div>`,
  ];
}

const SHARES = "Share of each expression";
const section = (title: string, content: string) => `<section><h2>${title}</h2>${content}</section>`;
const note = (text: string) => `<p class="note">${text}</p>`;

/** Origin and permitted use of the data. */
function about({ inputs, models, purposes, retentions, clock, fromMs, toMs, events }: Summary): string {
  const list = (names: Iterable<string>) => escaped([...names].join("; "));
  const [some, more] = [inputs.slice(0, 5), inputs.length - 5];
  const rows: [string, string][] = [
    ["from", list(some) + (more > 0 ? ` and ${count(more)} more` : "")],
    [
      "time",
      events > 0 ? `${moment(fromMs, clock)} to ${moment(toMs, clock)}${clock === "wall" ? " UTC" : ""}` : "",
    ],
    ["model", list(models)],
    ["purpose", list(purposes)],
    ["retention", list(retentions)],
  ];
  const shown = rows
    .filter(([, text]) => text !== "")
    .map(([name, text]) => `<div><dt>${name}</dt><dd>${text}</dd></div>`);
  return `<dl>${shown.join("")}</dl>`;
}

function figures(summary: Summary, broken: number): string {
  const { events, cameras, tracks, fromMs, toMs, inViewMs } = summary;
  const shown: [string, string][] = [
    [count(tracks), tracks === 1 ? "track" : "tracks"],
    ...(inViewMs > 0 ? [[elapsed(inViewMs), "in view, all tracks added"] satisfies [string, string]] : []),
    [elapsed(toMs - fromMs), "from first to last event"],
    [count(events), events === 1 ? "event" : "events"],
    ...(cameras.length > 1 ? [[count(cameras.length), "cameras"] satisfies [string, string]] : []),
    ...(broken > 0 ? [[count(broken), "lines skipped"] satisfies [string, string]] : []),
  ];
  return `<div class="figures">${shown.map(([value, what]) => `<div><b>${value}</b><span>${what}</span></div>`).join("")}</div>`;
}

function shareOf(summary: Summary, legend: Legend): string {
  const { of, amounts } = summary.shares();
  const all = amounts.reduce((sum, amount) => sum + amount, 0);
  const entries = summary.labels.map((label, i) => {
    const amount = amounts[i] ?? 0;
    const told = of === "time" ? elapsed(amount) : plural(amount, "face");
    return `<li${amount > 0 ? "" : ' class="none"'}>${swatch(legend, i)}${escaped(label)}<b>${percent(amount / all)}</b><span>${told}</span></li>`;
  });
  return `${of === "time" ? "" : note(`${FACES_ONLY}.`)}<ul class="legend">${entries.join("")}</ul>`;
}

function swatch({ colours }: Legend, label: number): string {
  return `<i style="background:${colours[label] ?? "#999999"}"></i>`;
}

/** Cameras by the time faces were in view, longest first. */
function busiest({ cameras }: Summary) {
  return [...cameras].sort((a, b) => b.totalMs - a.totalMs).slice(0, SHOWN_CAMERAS);
}

function cameraNote({ cameras }: Summary): string {
  return cameras.length > SHOWN_CAMERAS
    ? note(`Showing the ${SHOWN_CAMERAS} busiest of ${count(cameras.length)} cameras.`)
    : "";
}

function camerasOf(summary: Summary, legend: Legend, axis: Axis): string {
  const { fromMs, toMs } = axis;
  const lanes = busiest(summary).map(({ name, timeline }) => ({ camera: name, timeline, fromMs, toMs }));
  return `${cameraNote(summary)}${laneChart(lanes, legend, axis)}`;
}

function tracksOf(summary: Summary, legend: Legend, axis: Axis): string {
  const one = summary.cameras.length === 1;
  const lanes = summary.longestTracks().map(
    ({ camera, track, timeline, fromMs, toMs }): Lane => ({
      camera: one ? "" : camera.name,
      ...{ track, timeline, fromMs, toMs },
    }),
  );
  const bound =
    summary.tracks > lanes.length
      ? note(
          `Showing the ${SHOWN_TRACKS} tracks that were longest in view, of ${count(summary.tracks)}; all other figures include every track.`,
        )
      : "";
  return `${bound}${laneChart(lanes, legend, axis)}`;
}

function changesOf({ changes, labels }: Summary): string {
  return `${note("How often the expression on the left changed to the one at the top.")}${changeTable(changes, labels)}`;
}

function mapsOf(summary: Summary): string {
  const maps = busiest(summary).map(({ name, heat, totalMs, tracks, aspect }) => {
    const caption = `<b>${escaped(name)}</b> ${plural(tracks, "track")}, ${elapsed(totalMs)} in view`;
    return `<figure>${heatMap(heat, COLUMNS, aspect, name)}<figcaption>${caption}</figcaption></figure>`;
  });
  return `${cameraNote(summary)}<div class="maps">${maps.join("")}</div>`;
}

const KINDS: Readonly<Record<string, string>> = {
  appeared: "appeared",
  changed: "became",
  sample: "is",
  left: "left",
};

function tableOf(summary: Summary, legend: Legend): string {
  const shown = summary.table();
  const several = summary.cameras.length > 1;
  const rows = shown.map(({ atMs, camera, track, kind, label, confidence }) => {
    const where = several ? `<td>${escaped(camera.name)}</td>` : "";
    return `<tr><td class="at">${moment(atMs, summary.clock)}</td>${where}<td>#${track}</td><td class="dim">${KINDS[kind] ?? ""}</td><td>${swatch(legend, summary.labels.indexOf(label))}${escaped(label)}</td><td class="number">${percent(confidence)}</td></tr>`;
  });
  const bound =
    shown.length < summary.events
      ? note(
          `Showing the first and last ${count(shown.length / 2)} of ${count(summary.events)} events; use <code>--format csv</code> for all.`,
        )
      : "";
  const head = `<tr><th>time${summary.clock === "wall" ? " (UTC)" : ""}</th>${several ? "<th>camera</th>" : ""}<th>track</th><th>event</th><th>expression</th><th class="number">confidence</th></tr>`;
  const table = `<table class="events"><thead>${head}</thead><tbody>${rows.join("")}</tbody></table>`;
  return `${bound}${scrollable(table, "Events")}`;
}
