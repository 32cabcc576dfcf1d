import { readFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Type } from "typebox";
import { decode } from "#src/media/decode.js";
import { findFfmpeg } from "#src/media/ffmpeg.js";
import { sink, source } from "#src/pipeline/component.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { runPlan } from "#src/pipeline/run.js";
import { registry } from "#src/registry.js";
import { type Bench, type Benchmark, quantile, type Row, spread } from "./benchmark.js";
import { runProcess } from "./processes.js";
import { recording } from "./recordings.js";

const FPS = 30;
const log = { debug() {}, info() {}, warn: console.error, error: console.error };

export const latency: Benchmark = {
  name: "latency",
  summary:
    "Time from a camera sending a frame's last byte to a sink receiving its event; with --long for an hour.",
  seconds: 90,
  run: async (bench) => {
    const seconds = bench.quick ? 5 : 20;
    const path = await recording({ height: 720, seconds, camera: true }, bench.signal);
    const packets = await flvPackets(bench, path);
    const rows: Row[] = [];
    for (const detect of ["minSize: 8%", "minSize: 8%, every: 5"]) {
      bench.say(`720p 30 fps, ${detect}`);
      const runs: number[][] = [];
      for (let round = 0; round < (bench.quick ? 1 : 2); round++)
        runs.push((await latencies(bench, packets, detect)).map(({ ms }) => ms));
      const what = `720p 30 fps, ${detect.includes("every") ? "every: 5" : "full scan"}`;
      for (const part of [0.5, 0.95, 0.99])
        rows.push({
          what: `${what}, p${part * 100}`,
          unit: "ms",
          ours: spread(runs.map((run) => quantile(run, part))),
          notes: {
            frames: runs.reduce((sum, run) => sum + run.length, 0),
            of: packets.frames.length * runs.length,
          },
        });
    }
    if (bench.long) rows.push(...(await hour(bench, packets)));
    const conditions = {
      camera:
        "H.264 over TCP on this machine, one packet per frame sent when it is due, decoded with the options of `rtsp`",
      frames: `the first second is excluded; a frame without an event (dropped, or no face found) has no latency`,
    };
    return { conditions, rows, skipped: [] };
  },
};

const HOUR = 60;
/** Minutes over which each figure of the hour is taken. */
const STRETCH = 5;

/** The same camera for an hour: whether latency and memory at the end are the same as at the beginning. */
async function hour(bench: Bench, packets: Packets): Promise<Row[]> {
  bench.say(`720p 30 fps, full scan, for ${HOUR} minutes`);
  const rounds = Math.ceil((HOUR * 60 * FPS) / packets.frames.length);
  const memoryMb: number[] = [];
  const timer = setInterval(() => memoryMb.push(process.memoryUsage.rss() / 1e6), 60_000);
  const found = await latencies(bench, packets, "minSize: 8%", rounds).finally(() => clearInterval(timer));
  const stretches = Array.from({ length: HOUR / STRETCH }, (_, i) => i * STRETCH);
  return stretches.flatMap((from) => {
    const within = found.filter(({ minute }) => minute >= from && minute < from + STRETCH);
    const ms = within.map((delay) => delay.ms);
    const memory = memoryMb.slice(from, from + STRETCH);
    return [0.5, 0.95].map((part) => ({
      what: `720p 30 fps, full scan, minutes ${from} to ${from + STRETCH}, p${part * 100}`,
      unit: "ms",
      ours: spread([quantile(ms, part)]),
      notes: { frames: ms.length, of: STRETCH * 60 * FPS, "MB at most": Math.round(Math.max(...memory)) },
    }));
  });
}

interface Packets {
  /** What a player needs before the first frame. */
  readonly head: Buffer;
  readonly frames: readonly Buffer[];
}

/** A recording as FLV, split so that each piece is one frame, whose end is known without waiting for the next. */
async function flvPackets(bench: Bench, path: string): Promise<Packets> {
  const flv = join(bench.folder, "camera.flv");
  const { path: ffmpeg } = await findFfmpeg();
  const args = ["-loglevel", "error", "-y", "-i", path, "-c", "copy", "-flvflags", "no_duration_filesize"];
  await runProcess(ffmpeg, [...args, flv], bench.signal);
  const bytes = await readFile(flv);
  const VIDEO = 9;
  const HEADER = 13; // the file header, and a zero size before the first tag
  const frames: Buffer[] = [];
  let head = bytes.subarray(0, HEADER);
  for (let at = HEADER; at < bytes.length; ) {
    const end = at + 11 + bytes.readUIntBE(at + 1, 3) + 4;
    const tag = bytes.subarray(at, end);
    if (tag[0] === VIDEO && tag[12] === 1) frames.push(tag);
    else if (frames.length === 0) head = Buffer.concat([head, tag]);
    at = end;
  }
  return { head, frames };
}

/** Plays the packets a number of times in real time to whoever connects, and records when each was sent. */
function camera({ head, frames }: Packets, rounds: number, sentMs: number[]): Promise<Server> {
  const play = async (socket: Socket) => {
    socket.setNoDelay(true).on("error", () => {});
    socket.write(head);
    const begin = performance.now();
    for (let i = 0; i < rounds * frames.length && socket.writable; i++) {
      await sleep(Math.max(0, begin + (i * 1000) / FPS - performance.now()));
      const frame = frames[i % frames.length] ?? Buffer.alloc(0);
      sentMs[i] = performance.now();
      socket.write(later(frame, (Math.floor(i / frames.length) * frames.length * 1000) / FPS));
    }
    socket.end();
  };
  const server = createServer((socket) => void play(socket));
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(server));
  });
}

/** An FLV tag with its time shifted. */
function later(tag: Buffer, byMs: number): Buffer {
  if (byMs === 0) return tag;
  const moved = Buffer.from(tag);
  const ms = tag.readUIntBE(4, 3) + tag.readUInt8(7) * 2 ** 24 + Math.round(byMs);
  moved.writeUIntBE(ms % 2 ** 24, 4, 3);
  moved.writeUInt8(Math.floor(ms / 2 ** 24), 7);
  return moved;
}

interface Delay {
  readonly ms: number;
  /** Of the run in which the frame was sent. */
  readonly minute: number;
}

/** One run: the latency of every frame that had an event. */
async function latencies(bench: Bench, packets: Packets, detect: string, rounds = 1): Promise<Delay[]> {
  const sentMs: number[] = [];
  const found: Delay[] = [];
  const server = await camera(packets, rounds, sentMs);
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  const components = [
    ...registry,
    source({
      type: "bench-camera",
      summary: "The benchmark's camera.",
      options: Type.Object({}),
      example: "- { type: bench-camera }",
      live: () => true,
      open: (_, context) =>
        decode(
          {
            before: [
              "-copyts",
              "-fflags",
              "nobuffer",
              "-flags",
              "low_delay",
              "-probesize",
              "32768",
              "-analyzeduration",
              "0",
            ],
            url: `tcp://127.0.0.1:${port}`,
            name: "the benchmark's camera",
            live: true,
          },
          context,
        ),
    }),
    sink({
      type: "bench-clock",
      summary: "Records when each event arrived.",
      takes: "events",
      options: Type.Object({}),
      example: "- { type: bench-clock }",
      build: () => ({
        write: ({ data }) => {
          const frame = Math.round((data.mediaTimeMs * FPS) / 1000);
          const sent = sentMs[frame];
          if (data.kind === "sample" && sent !== undefined && frame >= FPS)
            found.push({ ms: performance.now() - sent, minute: Math.floor(frame / FPS / 60) });
        },
        close: () => {},
      }),
    }),
  ];
  const yaml = `version: 1
name: bench
sources: [{ id: camera, type: bench-camera }]
operators:
  - { type: detect, ${detect} }
  - { type: track }
  - { type: classify, model: fer2013-small }
  - { type: smooth }
  - { type: events, on: sample, interval: 1ms }
sinks: [{ type: bench-clock }]
`;
  const plan = parsePipeline(yaml, bench.folder, { registry: components });
  const { errors } = await runPlan(plan, { log, stop: bench.signal }).finally(() => server.close());
  bench.signal.throwIfAborted();
  if (errors[0]) throw errors[0];
  return found;
}
