import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../replace-file.js";
import type { ModelCard } from "./card.js";
import type { ModelFileKind } from "./load.js";

export interface ModelPart {
  readonly path: string;
  readonly kind: ModelFileKind;
  readonly bytes: Uint8Array;
}

/** Writes a model's files and last its card, each beside its place and renamed; `card.files` is made from the parts. */
export async function writeModelFolder(
  folder: string,
  card: Omit<ModelCard, "files">,
  parts: readonly ModelPart[],
): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { path, bytes } of parts) await replaceFile(join(folder, path), bytes);
  const files = parts.map(({ path, kind, bytes }) => ({
    path,
    kind,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  }));
  await writeCard(folder, { ...card, files });
}

export function writeCard(folder: string, card: ModelCard): Promise<void> {
  return replaceFile(join(folder, "card.json"), `${JSON.stringify(card, null, 2)}\n`);
}
