import { join } from "node:path";
import { map } from "rxjs";
import { Type } from "typebox";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import type { Face, FaceModel, Frame } from "#src/media/frame.js";
import { type Component, operator } from "#src/pipeline/component.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { runPlan } from "#src/pipeline/run.js";
import { registry } from "#src/registry.js";
import { type Bench, type Benchmark, type Row, spread } from "./benchmark.js";
import { runJob } from "./job.js";
import { type Contender, childrenCpuSeconds, compare, timed } from "./measure.js";
import { runProcess } from "./processes.js";
import { recording } from "./recordings.js";

const FPS = 30;
const log = { debug() {}, info() {}, warn() {}, error: console.error };
const MODEL: FaceModel = { name: "staged", version: "1", labels: ["happy", "sad", "angry", "neutral"] };

/** Faces without a detector: this leaves only reading, drawing and writing. */
const staged = operator({
  type: "staged",
  summary: "Puts four moving, labelled faces into every frame.",
  takes: "frames",
  gives: "faces",
  options: Type.Object({}),
  example: "- { type: staged }",
  build: () => map((frame: Frame) => ({ frame, faces: facesIn(frame), fullScan: true })),
}) as unknown as Component;

function facesIn({ sequence, width, height }: Frame): Face[] {
  return MODEL.labels.map((_, i) => {
    const size = height / 4;
    const x = (width * (i + 0.5)) / 4 - size / 2 + 20 * Math.sin(sequence / 10 + i);
    const probabilities = Float32Array.from(MODEL.labels, (_label, j) => (i === j ? 0.7 : 0.1));
    return {
      box: { x, y: height / 3, width: size, height: size },
      ...{ score: 9, track: i + 1, label: i, probabilities, model: MODEL },
    };
  });
}

export const annotate: Benchmark = {
  name: "annotate",
  summary:
    "Annotating recordings, compared with ffmpeg transcoding them with the same encoder: drawing alone, and the whole job.",
  seconds: 200,
  run: async (bench) => {
    const seconds = bench.quick ? 3 : 10;
    const rounds = bench.quick ? 1 : 5;
    const rows: Row[] = [];
    for (const height of [720, 1080] as const) {
      const path = await recording({ height, seconds }, bench.signal);
      const transcode = transcoding(bench, path, seconds * FPS);
      rows.push(
        ...(await compare(bench, `${height}p, drawing`, "frames", rounds, drawing(bench, path), [transcode])),
      );
      for (const [what, detect] of [
        ["full scan of every frame", "minSize: 8%"],
        ["every: 5", "minSize: 8%, every: 5"],
      ] as const) {
        const job = wholeJob(bench, path, detect);
        const found = await compare(bench, `${height}p, ${what}`, "frames", Math.ceil(rounds / 2), job, [
          transcode,
        ]);
        rows.push(...found.map((row) => ({ ...row, notes: { "times real time": realTime(row) } })));
      }
    }
    const conditions = {
      recording: `${seconds} s, ${FPS} fps, H.264; one face, or four when drawing alone`,
      encoder: "libx264, veryfast, CRF 20, in both",
      job: "`pipeline run` from start to exit",
    };
    return { conditions, rows, skipped: [] };
  },
};

function realTime({ ours }: Row): string {
  const { median, low, high } = spread([ours.low, ours.median, ours.high].map((fps) => fps / FPS));
  return `${median.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`;
}

/** Decoding, drawing and encoding in this process, which is already running. */
function drawing(bench: Bench, path: string): Contender {
  return {
    name: "ekspresi",
    run: async () => {
      const plan = parsePipeline(
        `version: 1
sources: [{ id: recording, type: file, path: ${JSON.stringify(path)} }]
operators: [{ type: staged }, { type: annotate }]
sinks: [{ type: video, path: drawn.mp4 }]
`,
        bench.folder,
        { registry: [...registry, staged] },
      );
      const children = childrenCpuSeconds() ?? 0;
      let units = 0;
      const run = await timed(0, async () => {
        const { errors, sources } = await runPlan(plan, { log, stop: bench.signal });
        if (errors[0]) throw errors[0];
        units = sources[0]?.decoded ?? 0;
      });
      const theirs = childrenCpuSeconds();
      return {
        units,
        seconds: run.seconds,
        ...(theirs !== undefined && { cpuSeconds: (run.cpuSeconds ?? 0) + theirs - children }),
      };
    },
  };
}

function wholeJob(bench: Bench, path: string, detect: string): Contender {
  return {
    name: "ekspresi",
    run: () =>
      runJob(
        bench,
        "annotate",
        `version: 1
name: bench
sources: [{ id: recording, type: file, path: ${JSON.stringify(path)} }]
operators:
  - { type: detect, ${detect} }
  - { type: track }
  - { type: classify, model: fer2013-small, batch: { size: 32, maxWait: 50ms } }
  - { type: smooth }
  - { type: annotate }
sinks: [{ type: video, path: ${JSON.stringify(join(bench.folder, "annotated.mp4"))} }]
`,
      ),
  };
}

function transcoding(bench: Bench, path: string, frames: number): Contender {
  return {
    name: "ffmpeg transcode",
    run: async () => {
      const { path: ffmpeg } = await findFfmpeg();
      const encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p"];
      const out = ["-movflags", "+faststart", join(bench.folder, "transcoded.mp4")];
      const args = ["-loglevel", "error", "-y", "-i", path, "-map", "0:v", ...encode, ...out];
      return { units: frames, ...(await runProcess(ffmpeg, args, bench.signal)) };
    },
  };
}
