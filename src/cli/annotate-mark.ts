import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { diskReason } from "../disk.js";
import { SinkError } from "../errors.js";
import { addNote, endOf } from "../media/note.js";
import type { Plan, PlannedNode } from "../pipeline/plan.js";
import type { Beside, Job } from "./annotate-files.js";

/** What is at a job's output: nothing, what the job makes, what `annotate` made in another way, or by another's hand. */
export type Found = "nothing" | "done" | "other" | "foreign";

const NOTE = /ekspresi annotate ([0-9a-f]{64})((?: [a-z]+)*)$/;

/**
 * What a job is known by: equal for the same recording, components, options and model, wherever they lie.
 * @param plan without what is written beside the output
 * @param own the paths of the recording and of what the run writes, as the plan has them
 */
export async function markOf({ input, size }: Job, plan: Plan, own: readonly string[]): Promise<string> {
  const nodes = await Promise.all(plan.nodes.map((node) => lasting(node, plan, own)));
  const made = JSON.stringify([basename(input), size, nodes]);
  return createHash("sha256").update(made).digest("hex");
}

/** What lies at the job's output already. */
export async function foundAt({ input, output, beside }: Job, mark: string): Promise<Found> {
  const end = await endOf(output);
  if (end === undefined) return "nothing";
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

/** Notes in the output what made it: the last thing that is done, so that what has the mark is whole. */
export async function setMark({ output, beside }: Job, mark: string): Promise<void> {
  const kinds = Object.keys(beside) as Beside[];
  try {
    await addNote(output, ["ekspresi annotate", mark, ...kinds].join(" "));
  } catch (cause) {
    throw new SinkError("ANNOTATE_MARK", `${output} cannot be written: ${diskReason(cause)}`, { cause });
  }
}

/** A component without what differs though it makes the same. A model trained anew has the same path, but another card. */
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
    () => model, // the run says what is wrong with it
  );
}
