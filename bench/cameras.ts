import { setTimeout as sleep } from "node:timers/promises";
import { parsePipeline } from "#src/pipeline/load.js";
import { type RunView, runPlan } from "#src/pipeline/run.js";
import { type Bench, type Benchmark, type Row, spread } from "./benchmark.js";
import { childrenCpuSeconds } from "./measure.js";
import { recording } from "./recordings.js";

const FPS = 15;
/**
 * Every camera must deliver this share of its frames: otherwise its decoder starves, and frames are lost before they
 * reach us.
 */
const LEAST_DELIVERED = 0.97;
/** Longest wait for the first picture of every camera; `test` itself tries again for ever. */
const FIRST_PICTURE_MS = 60_000;
const log = { debug() {}, info() {}, warn() {}, error: console.error };

export const cameras: Benchmark = {
  name: "cameras",
  summary: "How many cameras at 720p and 15 fps can be handled without losing a frame.",
  seconds: 240,
  run: async (bench) => {
    const path = await recording({ height: 720, fps: FPS, seconds: 20, camera: true }, bench.signal);
    const rows: Row[] = [];
    for (const [what, detect] of [
      ["full scan", "minSize: 8%"],
      ["every: 5", "minSize: 8%, every: 5"],
    ] as const) {
      const { most, cpuMs, first } = await search(bench, what, path, detect);
      rows.push({
        what: `720p 15 fps, ${what}`,
        unit: "cameras",
        ours: spread([most]),
        ...(cpuMs !== undefined && { cpuMs: { ours: cpuMs } }),
        ...(first && {
          notes: {
            [`with ${first.cameras}`]: `${first.dropped} dropped, ${(first.delivered * 100).toFixed(0)} % delivered`,
          },
        }),
      });
    }
    const conditions = {
      camera:
        "a recording played in real time by ffmpeg, H.264 decoding included; one face, found and classified in every frame",
      held: "no frame dropped or delivered late during the last seconds of a run; tried twice before it counts as not held",
    };
    return { conditions, rows, skipped: [] };
  },
};

interface Probe {
  readonly cameras: number;
  readonly dropped: number;
  /** Fraction of the due frames that arrived. */
  readonly delivered: number;
  readonly cpuMs?: number;
}

const held = ({ dropped, delivered }: Probe) => dropped === 0 && delivered >= LEAST_DELIVERED;

async function search(bench: Bench, what: string, path: string, detect: string) {
  let best: Probe | undefined;
  let first: Probe | undefined;
  const holds = async (cameras: number) => {
    for (let attempt = 0; attempt < 2; attempt++) {
      bench.say(`${what}: ${cameras} cameras`);
      const probe = await probed(bench, path, detect, cameras);
      if (held(probe)) {
        best = probe;
        return true;
      }
      first = probe;
    }
    return false;
  };
  let low = 0;
  let high = bench.quick ? 2 : 4;
  while (await holds(high)) {
    low = high;
    high *= 2;
  }
  while (high - low > (bench.quick ? 2 : 1)) {
    const middle = Math.floor((low + high) / 2);
    if (await holds(middle)) low = middle;
    else high = middle;
  }
  return { most: low, cpuMs: best?.cpuMs, first };
}

async function probed(bench: Bench, path: string, detect: string, n: number): Promise<Probe> {
  const names = Array.from({ length: n }, (_, i) => `camera${i}`);
  const yaml = `version: 1
name: bench
sources:
${names.map((id) => `  - { id: ${id}, type: test, path: ${JSON.stringify(path)} }`).join("\n")}
operators:
  - { type: detect, ${detect} }
  - { type: track }
  - { type: classify, model: fer2013-small }
  - { type: smooth }
  - { type: events, on: both, interval: 1s }
sinks: [{ type: jsonl, path: events.jsonl }]
`;
  const [warmMs, measureMs] = bench.quick ? [2500, 2500] : [4000, 6000];
  const stop = new AbortController();
  const cpu = process.cpuUsage();
  const children = childrenCpuSeconds();
  let view: RunView | undefined;
  const running = runPlan(parsePipeline(yaml, bench.folder), {
    log,
    stop: AbortSignal.any([stop.signal, bench.signal]),
    started: (given) => {
      view = given;
    },
  });
  const sources = () => view?.stats.sources ?? [];
  const total = (of: "decoded" | "dropped") => sources().reduce((sum, source) => sum + source[of], 0);
  let ended = false;
  const end = () => {
    ended = true;
  };
  running.then(end, end);
  const latestMs = performance.now() + FIRST_PICTURE_MS;
  const waiting = () => sources().length < n || sources().some(({ decoded }) => decoded === 0);
  while (!ended && waiting() && performance.now() < latestMs) await sleep(50);
  const late = waiting();
  if (!late) await sleep(warmMs + n * 50);
  const before = { decoded: total("decoded"), dropped: total("dropped"), atMs: performance.now() };
  if (!late) await sleep(measureMs);
  const due = (n * FPS * (performance.now() - before.atMs)) / 1000;
  const probe = {
    cameras: n,
    dropped: total("dropped") - before.dropped,
    delivered: late ? 0 : (total("decoded") - before.decoded) / due,
  };
  stop.abort();
  const { errors } = await running;
  bench.signal.throwIfAborted();
  if (errors[0]) throw errors[0];
  if (total("decoded") === 0) throw new Error(`no camera gave a picture in ${FIRST_PICTURE_MS / 1000} s`);
  const theirs = childrenCpuSeconds();
  if (children === undefined || theirs === undefined) return probe;
  const { user, system } = process.cpuUsage(cpu);
  return { ...probe, cpuMs: ((user + system) / 1000 + (theirs - children) * 1000) / total("decoded") };
}
