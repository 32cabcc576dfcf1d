import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Cores that a container may use at most (cgroup v2), of which it has a part at times: 1.5 is one and a half. */
export function cpuLimit(read = readLimit): number | undefined {
  const [quota, period] = read().trim().split(" ").map(Number);
  return quota && period ? quota / period : undefined; // "max": no limit
}

function readLimit(): string {
  try {
    return readFileSync("/sys/fs/cgroup/cpu.max", "utf8");
  } catch {
    return ""; // not Linux, or cgroup v1
  }
}

let known: number | undefined;

/** Cores to divide work among. Before 22 Node counts those of the whole machine in a container with a limit, too. */
export function cores(): number {
  known ??= coresOf(availableParallelism(), cpuLimit());
  return known;
}

export function coresOf(parallelism: number, limit = Number.POSITIVE_INFINITY): number {
  return Math.min(parallelism, Math.max(1, Math.ceil(limit)));
}
