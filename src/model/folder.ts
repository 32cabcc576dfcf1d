import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../replace-file.js";
import type { ModelCard } from "./card.js";
import type { ModelFileKind } from "./load.js";
import { written } from "./written.js";

export interface ModelPart {
  readonly path: string;
  readonly kind: ModelFileKind;
  readonly bytes: Uint8Array;
}

/** Writes a model's files and last its card, each beside its place and renamed; `card.files` is made from the parts. Throws `ModelError`. */
export async function writeModelFolder(
  folder: string,
  card: Omit<ModelCard, "files">,
  parts: readonly ModelPart[],
): Promise<void> {
  await written(folder, mkdir(folder, { recursive: true }));
  for (const { path, bytes } of parts) {
    const file = join(folder, path);
    await written(file, replaceFile(file, bytes));
  }
  const files = parts.map(({ path, kind, bytes }) => ({
    path,
    kind,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  }));
  await writeCard(folder, { ...card, files });
}

export function writeCard(folder: string, card: ModelCard): Promise<void> {
  const file = join(folder, "card.json");
  return written(file, replaceFile(file, `${JSON.stringify(card, null, 2)}\n`));
}
