import { randomUUID } from "node:crypto";
import { copyFile, readdir, rm, rmdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { makeFolder } from "../disk.js";
import { optionsSchema } from "../pipeline/options.js";
import type { Plan, PlannedNode } from "../pipeline/plan.js";
import { renameOver } from "../replace-file.js";
import { realOf } from "./confine.js";

/** Subfolder of the worker's folder for unfinished output of recordings. */
const OWN = ".ekspresi-jobs";

/** Where one attempt at a recording keeps its output until it is complete. */
export function outputsOf(folder: string, id: string, tries: number, worker: string): string {
  return join(folder, OWN, id, `${tries}-${worker.replace(/[^A-Za-z0-9_.-]/g, "_")}`);
}

/** Where a job's sinks keep data that outlives an attempt, such as unsent events. */
export function stateOf(folder: string, id: string): string {
  return join(folder, ".spool", id);
}

/** Removes leftovers of earlier attempts at a recording; one still running then writes to deleted files. */
export async function removeOutputs(folder: string, id: string): Promise<void> {
  await rm(join(folder, OWN, id), { recursive: true, force: true });
}

/** Removes what an attempt has left that did not finish; another one may have begun elsewhere. */
export async function discardOutputs(outputs: string): Promise<void> {
  await rm(outputs, { recursive: true, force: true });
  await rmdir(dirname(outputs));
}

/**
 * The plan with each sink's `path` moved from `folder` to the same place in `outputs`, where a sink may write any
 * number of files.
 */
export function redirected(plan: Plan, folder: string, outputs: string): Plan {
  const moved = (node: PlannedNode): PlannedNode => {
    const { path } = node.options;
    const isPath = optionsSchema(node.component).properties?.path?.["x-unit"] === "path";
    if (node.component.role !== "sink" || !isPath || typeof path !== "string") return node;
    // As `confine` has judged it: its way to the folder may lead through links.
    const own = join(outputs, relative(realOf(folder), realOf(path)));
    return { ...node, options: { ...node.options, path: own } };
  };
  return { ...plan, nodes: plan.nodes.map(moved) };
}

/** Moves each file of a finished recording into place, atomically replacing existing ones; then removes the rest. */
export async function commitOutputs(folder: string, id: string, outputs: string): Promise<void> {
  for (const file of await filesIn(outputs)) {
    const place = join(folder, relative(outputs, file));
    await makeFolder(dirname(place));
    await move(file, place);
  }
  await removeOutputs(folder, id);
}

/** Moves a file in one step, also to another file system: a volume may be mounted below the worker's folder. */
async function move(file: string, place: string): Promise<void> {
  const beside = `${place}.${randomUUID()}.part`;
  try {
    await renameOver(file, place);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
    await copyFile(file, beside);
    await renameOver(beside, place);
  } finally {
    await rm(beside, { force: true });
  }
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return []; // its sinks wrote no files
      throw error;
    },
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}
