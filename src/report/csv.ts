import type { Seen } from "./read.js";

const COLUMNS = ["time", "camera", "track", "kind", "label", "confidence", "media_time_ms"];
const BOX = ["x", "y", "width", "height"] as const;

/**
 * One row per event (RFC 4180). The first event determines the probability columns, because a stream cannot be read
 * twice; `onLeftOut` is called for each event with others.
 */
export async function* csvOf(
  events: AsyncIterable<readonly Seen[]>,
  onLeftOut: () => void = () => {},
): AsyncGenerator<string> {
  let names: readonly string[] | undefined;
  for await (const some of events) {
    let text = "";
    if (!names) {
      names = Object.keys(some[0]?.data.probabilities ?? {});
      text = head(names);
    }
    for (const seen of some) {
      text += row(cellsOf(seen, names));
      if (hasOthers(seen, names)) onLeftOut();
    }
    yield text;
  }
  if (!names) yield head([]);
}

function head(names: readonly string[]): string {
  return row([...COLUMNS, ...BOX, ...names.map((name) => `p_${name}`)]);
}

function cellsOf({ timeMs, data }: Seen, names: readonly string[]): (string | number)[] {
  const { camera, track, kind, label, confidence, mediaTimeMs, box, probabilities } = data;
  return [
    ...[new Date(timeMs).toISOString(), camera, track, kind, label, confidence, mediaTimeMs],
    ...BOX.map((side) => box[side]),
    ...names.map((name) => (Object.hasOwn(probabilities, name) ? (probabilities[name] ?? "") : "")),
  ];
}

function hasOthers({ data }: Seen, names: readonly string[]): boolean {
  return Object.keys(data.probabilities).some((name) => !names.includes(name));
}

function row(cells: readonly (string | number)[]): string {
  return `${cells.map((cell) => (typeof cell === "number" ? String(cell) : quoted(cell))).join(",")}\r\n`;
}

/** Prefixes an apostrophe to text that a spreadsheet would treat as a formula. */
function quoted(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
