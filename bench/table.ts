import pc from "picocolors";
import type { Benchmark, Result, Row, Spread } from "./benchmark.js";

const HEAD = ["", "ours", "beside", "", "ratio", "CPU ms"];

/** One benchmark's rows as aligned text. */
export function table({ name, summary }: Benchmark, { conditions, rows, skipped }: Result): string {
  const cells = [HEAD, ...rows.map(cellsOf)];
  const widths = HEAD.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ")}`.trimEnd();
  const [head = "", ...body] = cells.map(line);
  return [
    `${pc.bold(name)}  ${summary}`,
    pc.dim(head),
    ...body,
    ...Object.entries(conditions).map(([key, value]) => pc.dim(`  ${key}: ${text(value)}`)),
    ...skipped.map((reason) => pc.yellow(`  skipped: ${reason}`)),
    "",
  ].join("\n");
}

function cellsOf({ what, unit, ours, peer, ratio, cpuMs, notes }: Row): string[] {
  const extra = Object.entries(notes ?? {}).map(([key, value]) => `${key} ${value}`);
  return [
    what,
    `${digits(ours.median)} ${unit}`,
    peer ? digits(peer.value.median) : "",
    peer?.name ?? "",
    ratio ? withRange(ratio) : "",
    [
      cpuMs
        ? [cpuMs.ours, cpuMs.peer].flatMap((ms) => (ms === undefined ? [] : [digits(ms)])).join(" / ")
        : "",
      ...extra,
    ]
      .filter(Boolean)
      .join("  "),
  ];
}

const withRange = ({ median, low, high }: Spread) => `${digits(median)} (${digits(low)}-${digits(high)})`;

/** Three digits, never in exponential notation. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "-";
  const places = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(places, 4));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
