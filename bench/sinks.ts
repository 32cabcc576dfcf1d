import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { LineFile } from "#src/sinks/line-file.js";
import { eventOf } from "../test/support/event.js";
import type { Bench, Benchmark, Row } from "./benchmark.js";
import { type Contender, compare, timed } from "./measure.js";

const EXPRESSIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
const probabilities = Object.fromEntries(
  EXPRESSIONS.map((name, i) => [name, Math.round(1e4 / (i + 2)) / 1e4]),
);

export const sinks: Benchmark = {
  name: "sinks",
  summary: "Events a second into a file of JSON lines, each line whole with the system before the next.",
  seconds: 15,
  run: async (bench) => {
    const count = bench.quick ? 10_000 : 100_000;
    const rounds = bench.quick ? 1 : 5;
    const rows: Row[] = [];
    for (const fsync of ["never", "interval"] as const)
      rows.push(
        ...(await compare(bench, `jsonl, fsync: ${fsync}`, "events", rounds, lineFile(bench, fsync, count), [
          stream(bench, count),
        ])),
      );
    const bytes = JSON.stringify(eventOf(1, { probabilities })).length + 1;
    return { conditions: { event: `${bytes} bytes, seven probabilities` }, rows, skipped: [] };
  },
};

function lineFile(bench: Bench, fsync: "never" | "interval", count: number): Contender {
  return {
    name: "ekspresi",
    run: async () => {
      const file = await LineFile.open("bench", join(bench.folder, "ours.jsonl"), { fsync });
      return timed(count, async () => {
        for (let i = 0; i < count; i++) await file.append(JSON.stringify(eventOf(i, { probabilities })));
        await file.close();
      });
    },
  };
}

/** Node's own stream: it gathers lines and loses those when the process is killed. */
function stream(bench: Bench, count: number): Contender {
  return {
    name: "Node's write stream, buffered",
    run: () =>
      timed(count, async () => {
        const out = createWriteStream(join(bench.folder, "stream.jsonl"));
        for (let i = 0; i < count; i++)
          if (!out.write(`${JSON.stringify(eventOf(i, { probabilities }))}\n`)) await once(out, "drain");
        out.end();
        await once(out, "finish");
      }),
  };
}
