// npm run bench [-- NAME... --json FILE]: measures, prints a table, and writes the figures with machine and versions.
import { mkdir, writeFile } from "node:fs/promises";
import { arch, cpus, platform, totalmem } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import type { Benchmark, Result, Row, Spread } from "./benchmark.js";
import { haar } from "./haar.js";

const BENCHMARKS: readonly Benchmark[] = [haar];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "string", default: "out/bench.json" } },
});

const named = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
const unknown = positionals.filter((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name));
if (unknown.length > 0) {
  const list = BENCHMARKS.map(({ name, summary }) => `  ${name}  ${summary}`).join("\n");
  console.error(`there is no benchmark "${unknown.join('", "')}"; there are:\n${list}`);
  process.exit(2);
}

const results: Record<string, Result> = {};
for (const { name, summary, run } of named) {
  console.log(`\n${name}: ${summary}`);
  const result = await run((line) => console.error(`  ${line}`));
  results[name] = result;
  for (const row of result.rows) console.log(`  ${text(row)}`);
  for (const reason of result.skipped) console.log(`  skipped: ${reason}`);
}
await mkdir(dirname(values.json), { recursive: true });
await writeFile(values.json, `${JSON.stringify({ machine: machine(), results }, null, 2)}\n`);
console.log(`\nwritten to ${values.json}`);

function machine() {
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${platform()} ${arch()}`,
    node: process.version,
    date: new Date().toISOString(),
  };
}

function text({ what, unit, ours, peer, ratio, notes }: Row): string {
  const figures = [`${number(ours)} ${unit}`];
  if (peer) figures.push(`${peer.name} ${number(peer.value)} ${unit}`);
  if (ratio) figures.push(`ratio ${number(ratio)}`);
  for (const [name, value] of Object.entries(notes ?? {})) figures.push(`${name} ${value}`);
  return `${what.padEnd(34)} ${figures.join("   ")}`;
}

function number({ median, low, high }: Spread): string {
  const digits = (value: number) => value.toPrecision(3);
  return `${digits(median)} (${digits(low)} to ${digits(high)})`;
}
