import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A `pipeline worker` in a process of its own. */
export class WorkerProcess {
  readonly name: string;
  readonly folder: string;
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  said = "";

  /** @param folder what its jobs may write to */
  constructor(name: string, nats: string, folder: string, flags: readonly string[] = []) {
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
    this.child = spawn(process.execPath, [MAIN, ...args, ...flags], { stdio: ["ignore", "ignore", "pipe"] });
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
