import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { diskReason } from "../disk.js";
import { SinkError } from "../errors.js";
import { addNote, endOf } from "../media/note.js";
import type { Plan, PlannedNode } from "../pipeline/plan.js";
import type { Beside, Job } from "./annotate-files.js";

/** What exists at a job's outputs: nothing, this job's result, another result of `annotate`, or a foreign file. */
export type Found = "nothing" | "done" | "other" | "foreign";

const NOTE = /ekspresi annotate ([0-9a-f]{64})((?: [a-z]+)*)$/;

/**
 * Identifies a job: equal for the same recording, components, options and model, regardless of their paths.
 * @param plan without the sinks for files next to the output
 * @param own paths of the recording and of the run's outputs, as they appear in the plan
 */
export async function markOf({ input, size }: Job, plan: Plan, own: readonly string[]): Promise<string> {
  const nodes = await Promise.all(plan.nodes.map((node) => lasting(node, plan, own)));
  const made = JSON.stringify([basename(input), size, nodes]);
  return createHash("sha256").update(made).digest("hex");
}

/** What already exists at the job's output. */
export async function foundAt({ input, output, beside }: Job, mark: string): Promise<Found> {
  const end = await endOf(output).catch(() => ""); // it is a folder
  // Files next to the output hold no note: whose they are is only known from the output's.
  if (end === undefined)
    return Object.values(beside).some((file) => existsSync(file)) ? "foreign" : "nothing";
  const [, made, kinds = ""] = NOTE.exec(end) ?? [];
  if (made === undefined) return "foreign";
  if (made !== mark) return "other";
  const wanted = Object.keys(beside);
  const [from, ...files] = await Promise.all(
    [input, output, ...Object.values(beside)].map((path) => stat(path).catch(() => undefined)),
  );
  const isWhole =
    wanted.every((kind) => kinds.split(" ").includes(kind)) &&
    files.every((info) => info !== undefined && from !== undefined && info.mtimeMs >= from.mtimeMs);
  return isWhole ? "done" : "nothing";
}

/** Records in the output, which must be complete, what made it, and which files next to it are complete, too. */
export async function setMark(output: string, mark: string, kinds: readonly Beside[]): Promise<void> {
  try {
    await addNote(output, ["ekspresi annotate", mark, ...kinds].join(" "));
  } catch (cause) {
    throw new SinkError("ANNOTATE_MARK", `${output} cannot be written: ${diskReason(cause)}`, { cause });
  }
}

/** A component without what may differ for equal results. A retrained model keeps its path but has a new card. */
async function lasting(
  { id, component, options, from }: PlannedNode,
  { baseDir }: Plan,
  own: readonly string[],
): Promise<unknown> {
  const { path, model, ...rest } = options;
  const isOwn = typeof path === "string" && own.includes(resolve(path));
  return [id, component.type, from, rest, isOwn ? "" : path, await cardOf(model, baseDir)];
}

async function cardOf(model: unknown, baseDir: string): Promise<unknown> {
  if (typeof model !== "string") return model;
  const { loadModel } = await import("../model/load.js");
  return loadModel(model, baseDir).then(
    ({ card: { labels, input, face, files } }) => [labels, input, face, files],
    () => model, // the run reports what is wrong with it
  );
}
