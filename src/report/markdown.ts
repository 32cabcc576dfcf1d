import { count, plain, plural } from "../text.js";
import { elapsed, moment, percent } from "./format.js";
import type { Heading } from "./html.js";
import { FACES_ONLY, type Shares, type Summary } from "./summary.js";
import { SHOWN_TRACKS } from "./tracks.js";

/** The report as Markdown (with GitHub tables), without charts. */
export function markdownOf(summary: Summary, { title, broken }: Heading): string {
  const parts = [
    `# ${plain(title)}`,
    ...(summary.events === 0 ? ["There are no events."] : tables(summary)),
    ...(broken > 0 ? [`${plural(broken, "line")} skipped: not events.`] : []),
  ];
  return `${parts.join("\n\n")}\n`;
}

function tables(summary: Summary): string[] {
  const { clock, fromMs, toMs, cameras, inViewMs } = summary;
  const shares = summary.shares();
  const inView =
    shares.of === "time" ? `; ${elapsed(inViewMs)} in view, all tracks added` : `. ${FACES_ONLY}`;
  return [
    `${plural(summary.events, "event")}, ${plural(summary.tracks, "track")}, ${plural(cameras.length, "camera")}; ${moment(fromMs, clock)} to ${moment(toMs, clock)}${clock === "wall" ? " UTC" : " of the recording"} (${elapsed(toMs - fromMs)})${inView}.`,
    ...notes(summary),
    "## Expressions",
    shareTable(summary.labels, shares),
    "## Cameras",
    table(
      ["camera", "events", "tracks", "in view"],
      cameras.map(({ name, events, tracks, totalMs }) => [
        plain(name),
        count(events),
        count(tracks),
        elapsed(totalMs),
      ]),
    ),
    ...(shares.of === "time" ? overTime(summary) : []),
  ];
}

function shareTable(labels: readonly string[], { of, amounts }: Shares): string {
  const all = amounts.reduce((sum, amount) => sum + amount, 0);
  return table(
    ["expression", of, "share"],
    labels.map((label, n) => {
      const amount = amounts[n] ?? 0;
      return [plain(label), of === "time" ? elapsed(amount) : count(amount), percent(amount / all)];
    }),
  );
}

function overTime(summary: Summary): string[] {
  const { clock, changes } = summary;
  const labels = summary.labels.map(plain);
  const shown =
    summary.tracks > SHOWN_TRACKS ? `, the ${SHOWN_TRACKS} longest of ${count(summary.tracks)}` : "";
  return [
    "## Changes, from row to column",
    table(
      ["", ...labels],
      labels.map((label, from) => [
        label,
        ...labels.map((_, to) => (from === to ? "" : count(changes[from]?.[to] ?? 0))),
      ]),
    ),
    `## Tracks${shown}`,
    table(
      ["camera", "track", "from", "in view"],
      summary
        .longestTracks()
        .map(({ camera, track, fromMs: from, totalMs }) => [
          plain(camera.name),
          String(track),
          moment(from, clock),
          elapsed(totalMs),
        ]),
    ),
  ];
}

function notes({ models, purposes, retentions }: Summary): string[] {
  const list = (what: string, names: ReadonlySet<string>) =>
    names.size > 0 ? [`${what}: ${[...names].map(plain).join("; ")}.`] : [];
  return [...list("Model", models), ...list("Purpose", purposes), ...list("Retention", retentions)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
