import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { SHIPPED_MODELS } from "#src/model/load.js";
import type { Bench, Benchmark, Result, Row } from "./benchmark.js";
import { type Contender, compare, type Run } from "./measure.js";
import { humanPeer, pythonPeer } from "./peers.js";
import { runProcess } from "./processes.js";
import { recording, widthOf } from "./recordings.js";

const CLI = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const MODEL = join(SHIPPED_MODELS, "fer2013-small/model.onnx");
const CASCADE = join(SHIPPED_MODELS, "haarcascades/haarcascade_frontalface_default.xml");

/** A pipeline over one recording, as a user would write it. */
export function jobPipeline(path: string, detect: string, out: string): string {
  return `version: 1
name: bench
sources: [{ id: recording, type: file, path: ${JSON.stringify(path)} }]
operators:
  - { type: detect, ${detect} }
  - { type: track }
  - { type: classify, model: fer2013-small }
  - { type: smooth }
  - { type: events, on: both, interval: 1s }
sinks: [{ type: jsonl, path: ${JSON.stringify(out)} }]
`;
}

export interface JobRun extends Run {
  readonly faces: number;
  readonly events: number;
  readonly peakRssMb: number;
}

/** The product's command on a pipeline file, from start to exit. */
export async function runJob(bench: Bench, name: string, yaml: string): Promise<JobRun> {
  const file = join(bench.folder, `${name}.yaml`);
  await writeFile(file, yaml);
  const ended = await runProcess(process.execPath, [CLI, "run", file, "--json"], bench.signal);
  const summary = ended.stderr
    .split("\n")
    .filter((line) => line.includes('"summary"'))
    .map(
      (line) =>
        JSON.parse(line) as {
          sources: { decoded: number }[];
          faces: number;
          events: number;
          peakRssBytes: number;
        },
    )
    .at(-1);
  if (!summary) throw new Error(`the run printed no summary: ${ended.stderr.slice(-500)}`);
  const units = summary.sources.reduce((sum, { decoded }) => sum + decoded, 0);
  return {
    ...ended,
    units,
    faces: summary.faces,
    events: summary.events,
    peakRssMb: summary.peakRssBytes / 1e6,
  };
}

/** Frames of a recording decoded by ffmpeg and discarded: the least that any program must do. */
export function decodeAlone(bench: Bench, path: string, frames: number): Contender {
  return {
    name: "ffmpeg decode alone",
    run: async () => {
      const { path: ffmpeg } = await findFfmpeg();
      const args = ["-loglevel", "error", "-i", path, "-map", "0:V:0", "-f", "null", "-"];
      return { units: frames, ...(await runProcess(ffmpeg, args, bench.signal)) };
    },
  };
}

export const job: Benchmark = {
  name: "job",
  summary:
    "A whole recording from file to events, compared with a plain Python script, Human on tfjs-wasm, and decoding alone.",
  seconds: 540,
  run: async (bench) => {
    // Long enough that starting up, which decoding alone does not need, does not dominate.
    const longer = bench.quick ? 2 : 30;
    const seconds = bench.quick ? 2 : 10;
    const skipped: string[] = [];
    const rows: Row[] = [];
    for (const [what, grid, length] of [
      ["1080p, one face, full scan", 1, longer],
      ["1080p, four faces, full scan", 2, seconds],
    ] as const) {
      const path = await recording({ height: 1080, seconds: length, grid }, bench.signal);
      rows.push(...(await besidePeers(bench, what, path, skipped)));
    }
    const path = await recording({ height: 1080, seconds: longer, grid: 1 }, bench.signal);
    const every = ours(bench, "ekspresi", path, "minSize: 8%, every: 5");
    rows.push(
      ...(await compare(bench, "1080p, one face, every: 5", "frames", bench.quick ? 1 : 5, every, [
        decodeAlone(bench, path, longer * 30),
      ])),
    );
    return {
      conditions: {
        recording: `one face ${longer} s, four ${seconds} s, 30 fps, H.264; smallest face 8 % of the height, scale 1.1, 5 neighbours`,
        ours: "classifies in 8 bits on x64 (precision: auto); the script runs the same weights as floats",
        timed: "each program from start to exit, including loading",
        human: "blazeface (256x256) and its own emotion model, not a Haar cascade; every frame; one round",
      },
      rows,
      skipped,
    } satisfies Result;
  },
};

function ours(
  bench: Bench,
  name: string,
  path: string,
  detect: string,
  found?: (run: JobRun) => void,
): Contender {
  return {
    name,
    run: async () => {
      const done = await runJob(bench, "job", jobPipeline(path, detect, join(bench.folder, "events.jsonl")));
      found?.(done);
      return done;
    },
  };
}

async function besidePeers(bench: Bench, what: string, path: string, skipped: string[]): Promise<Row[]> {
  const faces = { ours: 0, python: 0, human: 0 };
  const own = ours(bench, "ekspresi", path, "minSize: 8%", (run) => {
    faces.ours = run.faces;
  });
  const rows: Row[] = [];
  const rounds = bench.quick ? 1 : 3;
  const python = await pythonPeer();
  if ("missing" in python) skipped.push(python.missing);
  else {
    const [row] = await compare(bench, what, "frames", rounds, own, [
      {
        name: "Python script",
        run: async () => {
          const out = join(bench.folder, "plain.jsonl");
          const script = fileURLToPath(new URL("peers/plain.py", import.meta.url));
          const ended = await runProcess(python.path, [script, path, CASCADE, MODEL, out], bench.signal);
          const said = JSON.parse(ended.stdout) as {
            frames: number;
            faces: number;
            opencv: string;
            engine: string;
          };
          faces.python = said.faces;
          return { ...ended, units: said.frames };
        },
      },
    ]);
    if (row) rows.push({ ...row, notes: { "faces found": `${faces.ours} and ${faces.python}` } });
  }
  const human = await humanPeer(bench);
  if ("missing" in human) skipped.push(human.missing);
  else {
    const { path: ffmpeg } = await findFfmpeg();
    const height = 1080;
    const [row] = await compare(bench, what, "frames", 1, own, [
      {
        name: "Human, tfjs-wasm",
        run: async () => {
          const out = join(bench.folder, "human.jsonl");
          const args = [human.path, "job", ffmpeg, path, String(widthOf(height)), String(height), out];
          const ended = await runProcess(process.execPath, args, bench.signal);
          const said = JSON.parse(ended.stdout) as { frames: number; faces: number };
          faces.human = said.faces;
          return { ...ended, units: said.frames };
        },
      },
    ]);
    if (row) rows.push({ ...row, notes: { "faces found": `${faces.ours} and ${faces.human}` } });
  }
  return rows;
}
