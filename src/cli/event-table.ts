import { outColours as pc } from "../colours.js";
import { padEnd } from "../columns.js";
import type { EmotionEvent } from "../events/index.js";
import { coloursOf } from "../events/palette.js";
import { harmless, UNSEEN } from "../text.js";

const COLUMNS: readonly (readonly [title: string, width: number])[] = [
  ["time", 23],
  ["camera", 16],
  ["face", 5],
  ["kind", 8],
  ["expression", 10],
  ["sure", 5],
  ["", 0],
];
const [TIME, CAMERA, FACE, KIND, EXPRESSION, SURE] = COLUMNS.map(([, width]) => width);

/** The column titles of the table. */
export function header(): string {
  return pc.dim(
    COLUMNS.map(([title, width]) => title.padEnd(width))
      .join("  ")
      .trimEnd(),
  );
}

/** One event as a line of the table, safe to print on a terminal. */
export function lineOf({ time, data }: EmotionEvent): string {
  const { camera, track, kind, label, confidence, mediaTimeMs, sinceMs } = data;
  const lasted = kind === "left" ? `after ${((mediaTimeMs - sinceMs) / 1000).toFixed(1)} s` : "";
  return [
    pc.dim(localTime(new Date(time)).padEnd(TIME ?? 0)),
    padEnd(oneLine(camera), CAMERA ?? 0),
    String(track).padEnd(FACE ?? 0),
    kind.padEnd(KIND ?? 0),
    paint(label, padEnd(oneLine(label), EXPRESSION ?? 0)),
    `${Math.round(confidence * 100)} %`.padStart(SURE ?? 0),
    pc.dim(lasted),
  ]
    .join("  ")
    .trimEnd();
}

/** One event as a line of JSON that is safe on a terminal: also escapes control characters that JSON leaves alone. */
export function jsonLine(event: EmotionEvent): string {
  return JSON.stringify(event).replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Untrusted text, limited to one line and made safe for a terminal. */
export function oneLine(text: string): string {
  const safe = harmless(text);
  return safe.length > 200 ? `${safe.slice(0, 200)}…` : safe;
}

/** Terminals announce 24-bit colour in this variable. */
const TRUE_COLOUR = /truecolor|24bit/.test(process.env.COLORTERM ?? "");

function paint(label: string, text: string): string {
  if (!pc.isColorSupported) return text;
  const [colour] = coloursOf([label]);
  if (!TRUE_COLOUR || !colour) return pc.bold(text);
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return `\u001b[38;2;${r};${g};${b}m${text}\u001b[39m`;
}

/** `2026-11-25 08:00:12.480`, in this machine's time zone. */
function localTime(time: Date): string {
  const shifted = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 23).replace("T", " ");
}
