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
 * Writes a model's files and last its card, each beside its place and renamed; `card.files` is made from the parts.
 * Throws `ModelError` where they cannot be written.
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
 * Throws `ModelError` where it cannot be written, or would be larger than `loadModel` takes; the card that is there
 * stays.
 */
export async function writeCard(folder: string, card: ModelCard): Promise<void> {
  const file = join(folder, CARD);
  await written(file, replaceFile(file, cardText(folder, card)));
}

const CARD = "card.json";

/** A list of numbers, one a line; no text in JSON has such line ends. */
const NUMBERS = /\[\n\s+[-+.\deE]+(?:,\n\s+[-+.\deE]+)*\n\s+\]/g;

/** As JSON with rows of numbers in a line each: a confusion matrix of 255 classes has 65,025. */
function cardText(folder: string, card: ModelCard): string {
  const json = JSON.stringify(card, null, 2).replace(NUMBERS, (list) => list.replace(/\s+/g, ""));
  const text = `${json}\n`;
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_CARD_BYTES)
    throw new ModelError(
      "MODEL_CARD",
      `${join(folder, CARD)} would have ${count(bytes)} bytes, more than the ${count(MAX_CARD_BYTES)} that a card may have; its figures (\`metrics\`) take most of them: take earlier ones out of it`,
    );
  return text;
}
