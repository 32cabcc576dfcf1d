import { join } from "node:path";
import type { Bench, Benchmark, Row } from "./benchmark.js";
import { jobPipeline, runJob } from "./job.js";
import { compare } from "./measure.js";
import { type Recording, recording } from "./recordings.js";

export const growth: Benchmark = {
  name: "growth",
  summary: "Cost of a frame as recordings get longer, larger, fuller of faces and more numerous.",
  seconds: 150,
  run: async (bench) => {
    const seconds = bench.quick ? 1 : 5;
    const rows: Row[] = [];
    for (const times of [1, 2, 4])
      rows.push(
        ...(await cost(bench, `${times * seconds} s of 720p`, { height: 720, seconds: times * seconds })),
      );
    for (const height of [480, 720, 1080, 2160] as const)
      rows.push(...(await cost(bench, `${height}p`, { height, seconds })));
    for (const grid of [1, 2, 3])
      rows.push(...(await cost(bench, `1080p, ${grid * grid} faces`, { height: 1080, seconds, grid })));
    for (const sources of [1, 2, 4])
      rows.push(...(await cost(bench, `${sources} of 480p at a time`, { height: 480, seconds }, sources)));
    return {
      conditions: {
        job: "`pipeline run` from start to exit, full scan, smallest face 8 %",
        recordings: `${seconds} s unless said otherwise`,
      },
      rows,
      skipped: [],
    };
  },
};

async function cost(bench: Bench, what: string, wanted: Recording, sources = 1): Promise<Row[]> {
  const path = await recording(wanted, bench.signal);
  const one = jobPipeline(path, "minSize: 8%", join(bench.folder, "events.jsonl"));
  const list = Array.from(
    { length: sources },
    (_, i) => `{ id: r${i}, type: file, path: ${JSON.stringify(path)} }`,
  );
  const yaml = one.replace(/^sources: .*$/m, `sources: [${list.join(", ")}]`);
  return compare(bench, what, "frames", bench.quick ? 1 : 3, {
    name: "ekspresi",
    run: () => runJob(bench, "growth", yaml),
  });
}
