import { existsSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../errors.js";
import type { ModelPart } from "../model/folder.js";
import { type Model, modelFile } from "../model/load.js";
import { checkFolder } from "./writable.js";

/** Checks that `model` may be written to `out`: without `force`, a model only replaces itself. Throws `ConfigError`. */
export async function checkModelOut(model: Model, out: string, force: boolean): Promise<void> {
  await checkFolder("--out", out);
  if (force || !existsSync(join(out, "card.json")) || (await isOwn(model, out))) return;
  throw new ConfigError(
    "MODEL_OUT",
    `--out ${out}: the folder holds another model; replace it with --force, or choose another folder`,
  );
}

/** The card's other files, which stay if `out` is the model's own folder. */
export async function filesKept(model: Model, out: string, made: readonly ModelPart[]): Promise<ModelPart[]> {
  if (!existsSync(out) || !(await isOwn(model, out))) return [];
  const kept = model.card.files.filter(({ kind }) => !made.some((part) => part.kind === kind));
  return Promise.all(
    kept.map(async ({ path, kind }) => ({ path, kind, bytes: await modelFile(model, kind) })),
  );
}

async function isOwn(model: Model, out: string): Promise<boolean> {
  return (await realpath(out)) === (await realpath(model.folder));
}
