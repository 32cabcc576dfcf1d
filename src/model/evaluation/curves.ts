/** A figure of training over its epochs. */
export interface Curve {
  readonly name: string;
  /** One point an epoch. */
  readonly points: readonly { readonly epoch: number; readonly value: number }[];
}

const WIDTH = 520;
const HEIGHT = 220;
const PAD = 36;

/** Every number that each line of a history file gives, by its name; lines are JSON with an `epoch`. */
export function readHistory(text: string): Curve[] {
  const curves = new Map<string, { epoch: number; value: number }[]>();
  for (const line of text.split("\n").filter(Boolean)) {
    const record = JSON.parse(line) as Record<string, unknown>;
    for (const [name, value] of Object.entries(record)) {
      if (name === "epoch" || typeof value !== "number" || typeof record.epoch !== "number") continue;
      const points = curves.get(name) ?? [];
      points.push({ epoch: record.epoch, value });
      curves.set(name, points);
    }
  }
  return [...curves].map(([name, points]) => ({ name, points }));
}

/** One small plot a curve, as SVG. */
export function curves(history: readonly Curve[]): string {
  return `<div class="pair">${history.map(plot).join("")}</div>`;
}

function plot({ name, points }: Curve): string {
  const epochs = points.map(({ epoch }) => epoch);
  const values = points.map(({ value }) => value);
  const [left, right] = [Math.min(...epochs), Math.max(...epochs)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const x = (epoch: number) => PAD + ((epoch - left) / (right - left || 1)) * (WIDTH - 2 * PAD);
  const y = (value: number) => HEIGHT - PAD - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * PAD);
  const line = points.map(({ epoch, value }) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${name}"><text x="${PAD}" y="20">${name}</text><text x="2" y="${HEIGHT - PAD}">${low.toPrecision(3)}</text><text x="2" y="${PAD + 4}">${high.toPrecision(3)}</text><text x="${PAD}" y="${HEIGHT - 12}">${left}</text><text x="${WIDTH - PAD}" y="${HEIGHT - 12}" text-anchor="end">epoch ${right}</text><path d="M${PAD} ${PAD}V${HEIGHT - PAD}H${WIDTH - PAD}"/><polyline points="${line}"/></svg>`;
}
