// npm run bench [-- NAME... --quick --long --json FILE]: measures, prints one table, and writes the figures with
// machine and versions.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import pc from "picocolors";
import { checkFile } from "#src/cli/writable.js";
import { messageOf } from "#src/errors.js";
import { accuracy } from "./accuracy.js";
import { annotate } from "./annotate.js";
import type { Bench, Benchmark, Result } from "./benchmark.js";
import { cameras } from "./cameras.js";
import { classify } from "./classify.js";
import { decode } from "./decode.js";
import { growth } from "./growth.js";
import { haar } from "./haar.js";
import { handover } from "./handover.js";
import { job } from "./job.js";
import { latency } from "./latency.js";
import { machine } from "./machine.js";
import { memory } from "./memory.js";
import { Progress } from "./progress.js";
import { sinks } from "./sinks.js";
import { table } from "./table.js";
import { training } from "./training.js";

const BENCHMARKS: readonly Benchmark[] = [
  haar,
  classify,
  accuracy,
  training,
  decode,
  job,
  annotate,
  latency,
  cameras,
  sinks,
  handover,
  growth,
  memory,
];

const HELP = `Usage: npm run bench [-- NAME... [options]]

Measures Ekspresi and, beside it, the programs that do the same, in turn in one run. A peer that is not here is skipped
and said so; what the ones in bench/peers need is installed there when first wanted.

  --quick        short runs: shows that everything works, its figures are rough
  --long         also what takes half an hour or an hour (memory, latency)
  --data FILE    FER-2013's CSV, for accuracy
  --json FILE    where the figures go, with machine and versions (out/bench.json)
  -h, --help     this text

Benchmarks (all by default):
${BENCHMARKS.map(({ name, summary, seconds }) => `  ${name.padEnd(10)} ${summary} (${Math.ceil(seconds / 60)} min)`).join("\n")}

Examples:
  $ npm run bench -- --quick
  $ npm run bench -- classify job --json speed.json`;

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        quick: { type: "boolean", default: false },
        long: { type: "boolean", default: false },
        data: { type: "string" },
        json: { type: "string", default: "out/bench.json" },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    return usage(messageOf(error));
  }
}

function usage(problem: string): never {
  console.error(`${problem}\n\n${HELP}`);
  process.exit(2);
}

const { values, positionals } = options();
if (values.help) {
  console.log(HELP);
  process.exit(0);
}
const unknown = positionals.filter((name) => !BENCHMARKS.some((benchmark) => benchmark.name === name));
if (unknown.length > 0) usage(`no such benchmark: "${unknown.join('", "')}"`);
const chosen = BENCHMARKS.filter(({ name }) => positionals.length === 0 || positionals.includes(name));

/** Before an hour is spent: whether there is an ffmpeg, and whether the figures can be written. */
async function prepared(json: string) {
  try {
    await checkFile("--json", json);
    return await machine();
  } catch (error) {
    console.error(messageOf(error));
    process.exit(2);
  }
}

const { json, quick, long, data } = values;
const about = await prepared(json);

const abort = new AbortController();
process.once("SIGINT", () => abort.abort(new Error("stopped")));
const progress = new Progress(chosen, quick);
const results: Record<string, Result> = {};
const failed: string[] = [];
const begin = performance.now();

for (const benchmark of chosen) {
  if (abort.signal.aborted) break;
  const folder = await mkdtemp(join(tmpdir(), "ekspresi-bench-"));
  const bench: Bench = {
    quick,
    long,
    ...(data !== undefined && { data }),
    signal: abort.signal,
    folder,
    say: (what) => progress.say(what),
  };
  progress.start(benchmark);
  try {
    const result = await benchmark.run(bench);
    results[benchmark.name] = result;
    progress.end();
    console.log(table(benchmark, result));
  } catch (error) {
    progress.end();
    if (abort.signal.aborted) break;
    failed.push(benchmark.name);
    console.error(pc.red(`${benchmark.name} failed: ${messageOf(error)}\n`));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

await mkdir(dirname(json), { recursive: true });
const seconds = Math.round((performance.now() - begin) / 1000);
const whole = { date: new Date().toISOString(), machine: about, quick, seconds, results, failed };
await writeFile(json, `${JSON.stringify(whole, null, 2)}\n`);
const { cpu, cores, node, ffmpeg, onnxruntime } = about;
console.log(
  `${cpu}, ${cores} cores; Node ${node}, ffmpeg ${ffmpeg}, onnxruntime ${onnxruntime}; ${seconds} s. Figures: ${json}`,
);
if (abort.signal.aborted) console.error("stopped; what was measured until then has been kept");
// Exits hard: what a failed benchmark has left open (a server, a thread, a peer) must not keep the process.
process.exit(abort.signal.aborted ? 130 : failed.length > 0 ? 1 : 0);
