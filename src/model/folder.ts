import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ModelError } from "../errors.js";
import { replaceFile } from "../replace-file.js";
import { count } from "../text.js";
import { MAX_CARD_BYTES, type ModelCard } from "./card.js";
import type { ModelFileKind } from "./load.js";
import { written } from "./written.js";

export interface ModelPart {
  readonly path: string;
  readonly kind: ModelFileKind;
  readonly bytes: Uint8Array;
}

/**
 * Writes a model's files, then its card, each to a temporary file that is renamed into place. `card.files` is derived
 * from the parts. Throws `ModelError` if they cannot be written.
 */
export async function writeModelFolder(
  folder: string,
  card: Omit<ModelCard, "files">,
  parts: readonly ModelPart[],
): Promise<void> {
  const files = parts.map(({ path, kind, bytes }) => ({
    path,
    kind,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
  }));
  const text = cardText(folder, { ...card, files });
  await written(folder, mkdir(folder, { recursive: true }));
  for (const { path, bytes } of [...parts, { path: CARD, bytes: text }]) {
    const file = join(folder, path);
    await written(file, replaceFile(file, bytes));
  }
}

/**
 * Throws `ModelError` if the card cannot be written or would be larger than `loadModel` accepts; the existing card
 * stays.
 */
export async function writeCard(folder: string, card: ModelCard): Promise<void> {
  const file = join(folder, CARD);
  await written(file, replaceFile(file, cardText(folder, card)));
}

const CARD = "card.json";

/** A list of numbers, one per line; strings in JSON cannot contain such line breaks. */
const NUMBERS = /\[\n\s+[-+.\deE]+(?:,\n\s+[-+.\deE]+)*\n\s+\]/g;

/** The card as JSON, with each row of numbers on one line: a confusion matrix of 255 classes has 65,025 numbers. */
function cardText(folder: string, card: ModelCard): string {
  const json = JSON.stringify(card, null, 2).replace(NUMBERS, (list) => list.replace(/\s+/g, ""));
  const text = `${json}\n`;
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_CARD_BYTES)
    throw new ModelError(
      "MODEL_CARD",
      `${join(folder, CARD)} would have ${count(bytes)} bytes; a card may have at most ${count(MAX_CARD_BYTES)}; remove earlier figures from its \`metrics\`, which take most of them`,
    );
  return text;
}
