import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { childrenCpuSeconds } from "./measure.js";

/** The repository's root folder. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

export interface Ended {
  readonly seconds: number;
  readonly cpuSeconds?: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end. Throws if it fails or `signal` aborts. One at a time, because CPU time covers all that
 * have ended.
 */
export async function runProcess(
  command: string,
  args: readonly string[],
  signal: AbortSignal,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> {
  const cpu = childrenCpuSeconds();
  const begin = performance.now();
  const child = spawn(command, args, { cwd: ROOT, env, signal, stdio: ["ignore", "pipe", "pipe"] });
  const text = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    text.stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    text.stderr += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const seconds = (performance.now() - begin) / 1000;
  if (code !== 0)
    throw new Error(`${command} ${args.join(" ")} ended with code ${code}:\n${text.stderr.slice(-2000)}`);
  const cpuAfter = childrenCpuSeconds();
  const cpuSeconds = cpu === undefined || cpuAfter === undefined ? undefined : cpuAfter - cpu;
  return { seconds, ...text, ...(cpuSeconds !== undefined && { cpuSeconds }) };
}

/** A program that answers each line of JSON with one of its own. */
export interface Server {
  ask(question: unknown): Promise<Record<string, unknown>>;
  close(): Promise<void>;
}

/** Starts a program that answers lines; it first prints `{"ready":...}`. */
export async function startServer(
  command: string,
  args: readonly string[],
): Promise<Server & { ready: unknown }> {
  const child = spawn(command, args, { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-2000);
  });
  const gone = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("close", (code) =>
      reject(new Error(`${command} ${args.join(" ")} ended (${code}):\n${stderr}`)),
    );
  });
  gone.catch(() => {}); // after `close` nobody asks
  child.stdin.on("error", () => {}); // reported by `gone`
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async () => {
    for (;;) {
      const { value, done } = await Promise.race([lines.next(), gone]);
      if (done) await gone;
      if (String(value).startsWith("{")) return JSON.parse(String(value)) as Record<string, unknown>;
    }
  };
  const { ready } = await answer();
  return {
    ready,
    ask: (question) => {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return answer();
    },
    close: async () => {
      child.stdin.end();
      await gone.catch(() => {});
    },
  };
}
