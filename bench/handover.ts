import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { JobQueue } from "#src/jobs/index.js";
import { connectNats } from "#src/nats/index.js";
import { NatsServer } from "../test/support/nats-server.js";
import { RECORDING } from "../test/support/pictures.js";
import { CAMERA, eventTimes, until, WorkerProcess } from "../test/support/worker-process.js";
import { type Bench, type Benchmark, spread } from "./benchmark.js";

const CAMERAS = ["c1", "c2", "c3", "c4", "c5", "c6"];

export const handover: Benchmark = {
  name: "handover",
  summary: "How long the cameras of a killed worker go unwatched; two workers, six cameras.",
  seconds: 90,
  run: async (bench) => {
    const skipped: string[] = [];
    const server = await NatsServer.start().catch(
      (error: Error) => void skipped.push(`handover: ${error.message}`),
    );
    if (!server) return { conditions: {}, rows: [], skipped };
    const gaps: number[] = [];
    let twice = 0;
    try {
      for (let round = 0; round < (bench.quick ? 1 : 3); round++) {
        bench.say(`round ${round + 1}`);
        for (const gap of await killed(bench, server, String(round))) {
          gaps.push(gap);
          if (gap < 0) twice++;
        }
      }
    } finally {
      await server.remove();
    }
    const row = { what: "unwatched, ack wait 6 s", unit: "s", ours: spread(gaps) };
    const notes = {
      cameras: gaps.length,
      longest: `${Math.max(...gaps).toFixed(1)} s`,
      "watched twice": twice,
    };
    return {
      conditions: { camera: "a recording in real time, about two events a second" },
      rows: [{ ...row, notes }],
      skipped,
    };
  },
};

/** For each camera of the killed worker, seconds from its last event there to its first from the other worker. */
async function killed(bench: Bench, server: NatsServer, round: string): Promise<number[]> {
  const nats = await connectNats({ url: server.url }, { name: "bench" });
  const workers = ["a", "b"].map((name) => {
    const folder = join(bench.folder, `${round}-${name}`);
    mkdirSync(folder);
    copyFileSync(RECORDING, join(folder, "face.mp4"));
    return new WorkerProcess(`${name}${round}`, server.url, folder);
  });
  try {
    const [a, b] = workers as [WorkerProcess, WorkerProcess];
    const queue = await JobQueue.open(nats);
    for (const id of CAMERAS) await queue.submit(id, { ...CAMERA, set: [`sources.0.id=${id}`] });
    await until("each camera is watched", () =>
      CAMERAS.every((id) => eventTimes(a, id).length + eventTimes(b, id).length > 0),
    );
    const lost = CAMERAS.filter((id) => eventTimes(a, id).length > 0);
    a.child.kill("SIGKILL");
    await until("the other watches them", () => lost.every((id) => eventTimes(b, id).length > 0));
    const gaps = lost.map((id) => ((eventTimes(b, id)[0] ?? 0) - (eventTimes(a, id).at(-1) ?? 0)) / 1000);
    for (const id of CAMERAS) await queue.cancel(id);
    return gaps;
  } finally {
    await Promise.all(workers.map((worker) => worker.kill()));
    await nats.close();
  }
}
