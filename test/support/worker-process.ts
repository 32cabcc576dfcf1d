import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { EmotionEvent } from "#src/events/event.js";
import type { JobSpec } from "#src/jobs/index.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A `pipeline worker` in a process of its own. */
export class WorkerProcess {
  readonly name: string;
  readonly folder: string;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  said = "";

  /**
   * @param folder what its jobs may write to
   * @param at what to put before the command line, e.g. to have it run in a network namespace
   */
  constructor(
    name: string,
    nats: string,
    folder: string,
    flags: readonly string[] = [],
    at: readonly string[] = [],
  ) {
    this.name = name;
    this.folder = folder;
    const args = [
      "worker",
      "--name",
      name,
      "--nats",
      nats,
      "--folder",
      folder,
      "--max-load",
      "0",
      "--max-dropped",
      "100",
    ];
    const [command = "", ...rest] = [...at, process.execPath, MAIN, ...args, ...flags];
    this.child = spawn(command, rest, { stdio: ["ignore", "ignore", "pipe"] });
    const orphaned = () => this.child.kill("SIGKILL");
    process.once("exit", orphaned);
    this.child.once("exit", () => process.off("exit", orphaned));
    this.child.stderr?.on("data", (chunk: Buffer) => {
      this.said += chunk.toString();
    });
    this.ended = once(this.child, "exit").then(([code]) => code as number | null);
  }

  /** Its jobs' processes too; safe to call on one that has ended. */
  async kill(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGKILL");
      await this.ended;
    }
  }
}

/** A stand-in camera that shows a face, about two events a second, which it writes to `<id>.jsonl`. */
export const CAMERA: JobSpec = {
  kind: "camera",
  file: "lobby.yaml",
  yaml: `version: 1
sources: [{ id: cam, type: test, path: face.mp4 }]
operators:
  - { type: sample, fps: 2 }
  - { type: detect, minSize: 25%, workers: 1 }
  - { type: track }
  - { type: classify, threads: 1 }
  - { type: events, on: sample, interval: 100ms }
sinks: [{ type: jsonl, path: "\${JOB_ID}.jsonl" }]
`,
  set: [],
};

/** Wall times, ms, of the events that a worker wrote for a camera. */
export function eventTimes({ folder }: WorkerProcess, id: string): number[] {
  const file = join(folder, `${id}.jsonl`);
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n").slice(0, -1);
  return lines.map((line) => Date.parse((JSON.parse(line) as EmotionEvent).time));
}

/** Asks until there is an answer; what is waited for is told when it does not come. */
export async function until<T>(
  what: string | (() => string),
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  limitMs = 150_000,
): Promise<T> {
  for (const begin = Date.now(); ; ) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (Date.now() - begin > limitMs)
      throw new Error(`waited in vain for: ${typeof what === "string" ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
