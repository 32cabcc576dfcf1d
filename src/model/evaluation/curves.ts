import { ConfigError } from "../../errors.js";

/** A figure over the epochs of a training run. */
export interface Curve {
  readonly name: string;
  /** One point per epoch. */
  readonly points: readonly { readonly epoch: number; readonly value: number }[];
}

const WIDTH = 520;
const HEIGHT = 240;
const LEFT = 48;
const RIGHT = 16;
const TOP = 32;
const BOTTOM = 32;
/** Okabe and Ito's colours, which nearly everyone can tell apart. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7a00", "#7f7f7f"];

/**
 * The curves of a history file, one for each number that its lines contain, by name. Each line is JSON with an `epoch`.
 * Throws `ConfigError` if a line is not.
 *
 * @param file names the file in errors
 */
export function readHistory(text: string, file: string): Curve[] {
  const curves = new Map<string, { epoch: number; value: number }[]>();
  const lines = text.split("\n");
  for (const [i, line] of lines.entries()) {
    if (line === "") continue;
    const report = reportOf(line);
    if (!report && i > 0 && i === lines.length - 1) break; // a killed process may have left the last line incomplete
    if (!report)
      throw new ConfigError(
        "HISTORY",
        `${file}: line ${i + 1} is not an epoch of a training run; give the history.jsonl that \`pipeline train\` wrote`,
      );
    for (const [name, value] of Object.entries(report)) {
      if (name === "epoch" || typeof value !== "number") continue;
      const points = curves.get(name) ?? [];
      points.push({ epoch: report.epoch, value });
      curves.set(name, points);
    }
  }
  return [...curves].map(([name, points]) => ({ name, points }));
}

function reportOf(line: string): { readonly epoch: number } | undefined {
  try {
    const report = JSON.parse(line) as { epoch?: unknown } | null;
    return typeof report?.epoch === "number" ? (report as { epoch: number }) : undefined;
  } catch {
    return undefined;
  }
}

/** Plots by title: the fields of a history that each shows, and their names. Other fields are not plotted. */
const PLOTS: Record<string, Record<string, string>> = {
  loss: { loss: "training", validationLoss: "validation" },
  accuracy: { accuracy: "training", validationAccuracy: "validation" },
  "learning rate": { rate: "rate" },
};

/** The curves of a training run as SVG: loss, accuracy and learning rate. */
export function curves(history: readonly Curve[]): string {
  const plots = Object.entries(PLOTS).map(([title, names]) => {
    const lines = history.filter(({ name }) => name in names);
    return plot(
      title,
      lines.map(({ name, points }) => ({ name: names[name] ?? name, points })),
    );
  });
  return `<div class="pair">${plots.join("")}</div>`;
}

/** One plot of lines over epochs as SVG, with a legend if there are several. */
export function plot(title: string, lines: readonly Curve[]): string {
  const points = lines.flatMap((line) => line.points);
  if (points.length === 0) return "";
  const last = Math.max(...points.map(({ epoch }) => epoch));
  const ticks = ticksOf(points.map(({ value }) => value));
  const [low = 0, high = 1] = [ticks[0], ticks.at(-1)];
  const x = (epoch: number) => LEFT + ((epoch - 1) / (last - 1 || 1)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) =>
    HEIGHT - BOTTOM - ((value - low) / (high - low || 1)) * (HEIGHT - TOP - BOTTOM);
  const grid = ticks.map(
    (tick) =>
      `<path d="M${LEFT} ${y(tick).toFixed(1)}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${Number(tick.toPrecision(6))}</text>`,
  );
  const drawn = lines.map(({ name, points: own }, i) => {
    const colour = COLOURS[i % COLOURS.length] ?? "";
    const dashed = i >= COLOURS.length ? ' stroke-dasharray="5 3"' : "";
    const line = own.map(({ epoch, value }) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    const [end] = own.slice(-1);
    const dot = end
      ? `<circle cx="${x(end.epoch).toFixed(1)}" cy="${y(end.value).toFixed(1)}" r="2.5" fill="${colour}"/>`
      : "";
    return `<polyline points="${line}" style="stroke:${colour}"${dashed}><title>${name}</title></polyline>${dot}`;
  });
  const legend =
    lines.length > 1
      ? `<div class="legend">${lines.map(({ name }, i) => `<span><i style="background:${swatch(i)}"></i>${name}</span>`).join("")}</div>`
      : "";
  const ends = lines.map(({ name, points: own }) => `${name} ${Number(own.at(-1)?.value.toPrecision(3))}`);
  const what = `${title} over ${last} epochs; last values: ${ends.join(", ")}`;
  return `<figure class="plot"><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${what}"><text class="title" x="${LEFT}" y="18">${title}</text>${grid.join("")}<text x="${LEFT}" y="${HEIGHT - 10}">1</text><text x="${WIDTH - RIGHT}" y="${HEIGHT - 10}" text-anchor="end">epoch ${last}</text>${drawn.join("")}</svg>${legend}</figure>`;
}

/** The legend's picture of a line: as coloured and as dashed as the line itself. */
function swatch(line: number): string {
  const colour = COLOURS[line % COLOURS.length] ?? "";
  return line < COLOURS.length
    ? colour
    : `repeating-linear-gradient(90deg,${colour} 0 5px,transparent 5px 8px)`;
}

/** Three to six round numbers that span all values. */
function ticksOf(values: readonly number[]): number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const rough = (most - least || Math.abs(most) || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5].find((n) => n * power >= rough) ?? 10) * power;
  const first = Math.floor(least / step);
  const count = Math.max(1, Math.ceil(most / step) - first);
  return Array.from({ length: count + 1 }, (_, i) => (first + i) * step);
}
