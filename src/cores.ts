import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

/** CPU limit of a container in cores (cgroup v2); may be fractional. */
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

/** Cores to divide work among. Before version 22, Node ignores a container's limit. */
export function cores(): number {
  return coresOf(availableParallelism(), cpuLimit());
}

export function coresOf(parallelism: number, limit = Number.POSITIVE_INFINITY): number {
  return Math.min(parallelism, Math.max(1, Math.ceil(limit)));
}
