import type { RunSummary } from "../pipeline/run.js";
import { count, plural } from "../text.js";
import { clock, latency } from "./format.js";

/** A run's summary as text. */
export function summaryLines(summary: RunSummary): string {
  const { sources, events, eventDelayMs, sinks, peakRssBytes, errors } = summary;
  const lines = sources.map((source) => {
    const { id, live, decoded, dropped, reconnects, mediaTimeMs, firstTimeMs = 0 } = source;
    const { seconds = summary.seconds } = source; // a source that ended early was not slower for it
    const mediaMs = mediaTimeMs - firstTimeMs;
    const speed = live || seconds === 0 ? "" : `, ${(mediaMs / 1000 / seconds).toFixed(1)}x real time`;
    const losses = `${dropped > 0 ? `, ${count(dropped)} dropped` : ""}${reconnects > 0 ? `, ${plural(reconnects, "reconnect")}` : ""}`;
    return `${id}: ${plural(decoded, "frame")}${losses}, ${clock(mediaMs)} of media (${(decoded / Math.max(seconds, 0.001)).toFixed(0)} fps${speed})`;
  });
  lines.push(
    `${found(summary)}, ${plural(events, "event")}, ${summary.seconds.toFixed(1)} s, peak memory ${Math.round(peakRssBytes / 2 ** 20)} MB`,
    ...(eventDelayMs ? latency(eventDelayMs).map((text) => `frame to event: ${text}`) : []),
  );
  for (const { id, written, lost, figures = {} } of sinks) {
    const more = Object.entries(figures)
      .filter(([, value]) => value > 0)
      .map(([name, value]) => `, ${count(value)} ${name}`);
    const losses = lost > 0 ? `, ${count(lost)} NOT written` : "";
    lines.push(`${id}: ${count(written)} written${more.join("")}${losses}`);
  }
  if (errors.length > 0) lines.push(failure(summary));
  return `${lines.join("\n")}\n`;
}

/** `1,537 detections of 1 face`: faces counted per frame, and as followed by `track`. */
export function found({ faces, tracks }: RunSummary): string {
  return `${plural(faces, "detection")}${tracks === undefined ? "" : ` of ${plural(tracks, "face")}`}`;
}

/** If the only source fails, its error was just printed; with several, the others kept running, so it is repeated. */
function failure({ sources, errors }: RunSummary): string {
  return sources.length > 1 ? `failed: ${errors.map(({ message }) => message).join("; ")}` : "failed";
}
