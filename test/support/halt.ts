import type { ChildProcess } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";

/**
 * Stops a process (SIGSTOP) and returns once all its threads stand still, which can take milliseconds: until then it may
 * still answer. `SIGCONT` lets it continue.
 */
export function halt(child: ChildProcess | undefined): void {
  child?.kill("SIGSTOP");
  const threads = `/proc/${child?.pid}/task`;
  while (existsSync(threads) && readdirSync(threads).some((thread) => runs(`${threads}/${thread}/stat`)));
}

function runs(stat: string): boolean {
  try {
    return !/\) [TZX] /.test(readFileSync(stat, "latin1")); // stopped, or ended and not yet reaped
  } catch {
    return false; // it has ended
  }
}
