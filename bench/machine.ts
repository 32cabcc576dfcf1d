import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { findFfmpeg } from "#src/media/ffmpeg.js";

/** The machine and the versions that the figures were measured with. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly ffmpeg: string;
  readonly onnxruntime: string;
  readonly ekspresi: string;
}

export async function machine(): Promise<Machine> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    ffmpeg: (await findFfmpeg()).version,
    onnxruntime: versionIn("../node_modules/onnxruntime-node/package.json"),
    ekspresi: `${versionIn("../package.json")}${commit()}`,
  };
}

function versionIn(path: string): string {
  return (JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { version: string }).version;
}

function commit(): string {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
    return ` (${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") ? ", changed" : ""})`;
  } catch {
    return ""; // not a git checkout
  }
}
