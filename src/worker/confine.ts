import { realpathSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { ConfigError } from "../errors.js";
import { isPlaylist } from "../media/demuxers.js";
import { redact } from "../media/redact.js";
import { isUrl } from "../media/url.js";
import { type OptionPath, pathsOf } from "../pipeline/paths.js";
import type { Plan, PlannedNode } from "../pipeline/plan.js";
import { placeText } from "../pipeline/yaml.js";
import type { JobRules } from "./messages.js";

/** Addresses that a job's sources may open. */
const ADDRESSES = /^(rtsps?|https?):\/\//i;

/** What is the worker's own, and not for those who send it jobs. */
const OWN: Readonly<Record<string, string>> = {
  webcam: "a job cannot choose its worker's own camera",
  web: "a job cannot open a port of its worker; publish events with `nats` instead",
};

/**
 * Throws `ConfigError` where a job's pipeline would touch what its worker does not give it: it writes only in `folder`,
 * and reads only there and in `read`. A job comes over the network, so nothing in it is believed: symbolic links are
 * followed before a path is judged.
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
  if (path === "-") return "`-` is not to be had in a job; name a file";
  if (isUrl(path))
    return component.role === "source" && ADDRESSES.test(path)
      ? undefined
      : `${redact(path)}: a job's sources may open rtsp, rtsps, http and https, and nothing else`;
  if (component.role === "source" && isPlaylist(path))
    return `${path}: a playlist names other files, so a job cannot play one; give it the recording`;
  const roots = written ? [folder] : [folder, ...read];
  if (roots.some((root) => isWithin(path, root))) return undefined;
  return `${path}: this worker lets jobs ${written ? "write" : "read"} only in ${roots.join(", ")}`;
}

/** Whether a file that may not exist yet lies in a folder that does, links followed. */
function isWithin(path: string, root: string): boolean {
  const way = relative(realpathSync(root), realOf(path));
  return way === "" || (!isAbsolute(way) && way !== ".." && !/^\.\.[\\/]/.test(way));
}

/** The path with the links of as much of it as exists followed. */
function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : resolve(realOf(parent), relative(parent, path));
  }
}
