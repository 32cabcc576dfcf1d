import { Type } from "typebox";
import { outColours as pc } from "../colours.js";
import { columnsOf, padEnd, padStart } from "../columns.js";
import type { EmotionEvent } from "../events/event.js";
import { sink } from "../pipeline/component.js";
import { harmless } from "../text.js";
import { openOutput } from "./output.js";

/** Prints one readable line per event on standard output. */
export const consoleSink = sink({
  type: "console",
  summary: "Prints one readable line per event.",
  description: "Writes to standard output, in colour only on a terminal.",
  takes: "events",
  options: Type.Object({}),
  example: "- { type: console }",
  build: (_options, context) => {
    const output = openOutput(context.id);
    let labelWidth = LABEL.least;
    return {
      write: (event) => {
        labelWidth = widened(labelWidth, event);
        return output.write(`${lineOf(event, labelWidth)}\n`);
      },
      close: () => output.close(),
    };
  },
});

const KIND_COLOURS = { appeared: pc.green, changed: pc.cyan, sample: pc.dim, left: pc.yellow };

/** Limits of the label column's width, since custom classes may have names of any length. */
const LABEL = { least: 8, most: 20 };

/** Widens the column for the labels of this event's model. */
function widened(width: number, { data: { probabilities } }: EmotionEvent): number {
  const lengths = Object.keys(probabilities).map((label) => Math.min(columnsOf(label), LABEL.most));
  return Math.max(width, ...lengths);
}

/** `0:12.480  door #3  left  happy 87 %  for 1.3 s`. */
function lineOf({ data }: EmotionEvent, labelWidth: number): string {
  const { camera, track, kind, label, confidence, mediaTimeMs, sinceMs, picture } = data;
  const share = `${Math.round(confidence * 100)} %`.padStart(5);
  const lasted = kind === "left" ? pc.dim(`  for ${((mediaTimeMs - sinceMs) / 1000).toFixed(1)} s`) : "";
  return [
    pc.dim(padStart(harmless(picture ?? clock(mediaTimeMs)), 10)),
    padEnd(`${camera} #${track}`, 12),
    KIND_COLOURS[kind](kind.padEnd(8)),
    `${pc.bold(padEnd(harmless(label), labelWidth))} ${share}${lasted}`,
  ].join("  ");
}

function clock(ms: number): string {
  const total = Math.max(0, Math.round(ms)) / 1000; // 59.9996 s would be shown as 60.000
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor(total / 60) % 60;
  const seconds = (total % 60).toFixed(3).padStart(6, "0");
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
}
