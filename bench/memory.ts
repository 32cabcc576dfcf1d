import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type Benchmark, type Row, spread } from "./benchmark.js";
import { recording } from "./recordings.js";

const CLI = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

export const memory: Benchmark = {
  name: "memory",
  summary: "Memory of a camera's pipeline after 1 minute and, with --long, after 30.",
  seconds: 65,
  run: async (bench) => {
    const path = await recording({ height: 720, fps: 15, seconds: 20, camera: true }, bench.signal);
    const file = join(bench.folder, "memory.yaml");
    await writeFile(
      file,
      `version: 1
name: bench
sources: [{ id: camera, type: test, path: ${JSON.stringify(path)} }]
operators:
  - { type: detect, minSize: 8%, every: 5 }
  - { type: track }
  - { type: classify, model: fer2013-small }
  - { type: smooth }
  - { type: events, on: both, interval: 1s }
sinks: [{ type: jsonl, path: events.jsonl }]
`,
    );
    const minutes = bench.quick ? [0.1] : bench.long ? [1, 5, 30] : [1];
    const child = spawn(process.execPath, [CLI, "run", file, "--quiet"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const ended = once(child, "exit"); // it may end by itself, if it fails
    const rows: Row[] = [];
    const begin = performance.now();
    try {
      for (const minute of minutes) {
        bench.say(`until minute ${minute}`);
        await sleep(begin + minute * 60_000 - performance.now(), undefined, { signal: bench.signal });
        const mb = await residentMb(child.pid);
        rows.push({ what: `720p 15 fps, after ${minute} min`, unit: "MB", ours: spread([mb]) });
      }
    } finally {
      child.kill("SIGINT");
      await ended;
    }
    return {
      conditions: { memory: "resident memory of the Node process, without ffmpeg's" },
      rows,
      skipped: [],
    };
  },
};

async function residentMb(pid: number | undefined): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(pid)]);
  return (Number(stdout) * 1024) / 1e6;
}
