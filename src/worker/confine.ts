import { readlinkSync, realpathSync } from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { ConfigError } from "../errors.js";
import { isPlaylist } from "../media/demuxers.js";
import { redact } from "../media/redact.js";
import { isUrl } from "../media/url.js";
import { type OptionPath, pathsOf } from "../pipeline/paths.js";
import type { Plan, PlannedNode } from "../pipeline/plan.js";
import { placeText } from "../pipeline/yaml.js";
import type { JobRules } from "./messages.js";

/** URLs that a job's sources may open. */
const ADDRESSES = /^(rtsps?|https?):\/\//i;

/** Components that would use the worker's own devices, and are not allowed in jobs. */
const OWN: Readonly<Record<string, string>> = {
  webcam: "a job cannot use its worker's own camera",
  web: "a job cannot open a port on its worker; publish events with `nats` instead",
};

/**
 * Throws `ConfigError` if a job's pipeline would access anything its worker does not allow: it may only write to
 * `folder`, and only read there and in `read`. Jobs come over the network and are not trusted: symbolic links are
 * resolved before a path is checked.
 */
export function confine(plan: Plan, rules: JobRules): void {
  const problems = plan.nodes.flatMap((node) => {
    const own = OWN[node.component.type];
    return [...(own ? [own] : []), ...pathsOf(node).flatMap((path) => judge(path, node, rules) ?? [])].map(
      (problem) => `${placeText(node.place)}: ${node.component.type}: ${problem}`,
    );
  });
  if (problems.length > 0) throw new ConfigError("JOB_REFUSED", problems.join("\n"));
}

function judge(
  { path, written }: OptionPath,
  { component }: PlannedNode,
  { folder, read }: JobRules,
): string | undefined {
  if (path === "-") return "`-` is not available in a job; give a file";
  if (isUrl(path))
    return component.role === "source" && ADDRESSES.test(path)
      ? undefined
      : `${redact(path)}: a job's sources may only open rtsp, rtsps, http and https URLs`;
  if (component.role === "source" && isPlaylist(path))
    return `${path}: a playlist refers to other files, so a job cannot play one; give the recording itself`;
  const roots = written ? [folder] : [folder, ...read];
  if (roots.some((root) => isWithin(path, root))) return undefined;
  return `${path}: on this worker, jobs may only ${written ? "write to" : "read from"} ${roots.join(", ")}`;
}

/** Whether a file, which need not exist yet, is in an existing folder, with links resolved. */
function isWithin(path: string, root: string): boolean {
  const way = relative(realpathSync(root), realOf(path));
  return !isAbsolute(way) && way !== ".." && !/^\.\.[\\/]/.test(way);
}

/** The path with links resolved, also one to something that does not exist yet. */
export function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const parent = dirname(path);
    if (parent === path || (error as NodeJS.ErrnoException).code === "ELOOP") return path;
    const own = join(realOf(parent), basename(path));
    const target = targetOf(own);
    return target === undefined ? own : realOf(resolve(dirname(own), target));
  }
}

/** Where a link leads; undefined if it is none. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
