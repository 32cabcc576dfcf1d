import { decode as decodeFrames } from "#src/media/decode.js";
import type { Frame } from "#src/media/frame.js";
import { FrameMemory, FramePool } from "#src/media/pool.js";
import type { Bench, Benchmark, Row } from "./benchmark.js";
import { decodeAlone } from "./job.js";
import { type Contender, childrenCpuSeconds, compare, timed } from "./measure.js";
import { recording } from "./recordings.js";

/** Puts the luma of every frame into a slot, which is released at once. */
function intoSlots(bench: Bench, path: string): Contender {
  return {
    name: "into our slots",
    run: async () => {
      const children = childrenCpuSeconds() ?? 0;
      const context = {
        id: "bench",
        pool: new FramePool(new FrameMemory(), 8),
        format: "gray" as const,
        stop: bench.signal,
        source: { state: "opening" as const, decoded: 0, dropped: 0, mediaTimeMs: 0 },
        ready: () => undefined,
        log: console,
        defer: () => {},
      };
      const input = { before: ["-copyts"], url: path, name: path, live: false };
      const run = await timed(
        0,
        () =>
          new Promise<void>((resolve, reject) => {
            decodeFrames(input, context).subscribe({
              next: (frame: Frame) => frame.release(),
              error: reject,
              complete: resolve,
            });
          }),
      );
      const theirs = childrenCpuSeconds();
      return {
        units: context.source.decoded,
        seconds: run.seconds,
        ...(theirs !== undefined && { cpuSeconds: (run.cpuSeconds ?? 0) + theirs - children }),
      };
    },
  };
}

export const decode: Benchmark = {
  name: "decode",
  summary: "Frames from a recording into frame slots, compared with ffmpeg discarding decoded frames.",
  seconds: 40,
  run: async (bench) => {
    const seconds = bench.quick ? 2 : 10;
    const rows: Row[] = [];
    for (const height of [720, 1080] as const) {
      const path = await recording({ height, seconds }, bench.signal);
      const own = intoSlots(bench, path);
      rows.push(
        ...(await compare(bench, `${height}p`, "frames", bench.quick ? 1 : 5, own, [
          decodeAlone(bench, path, seconds * 30),
        ])),
      );
    }
    return { conditions: { recording: `${seconds} s, 30 fps, H.264, luma alone` }, rows, skipped: [] };
  },
};
