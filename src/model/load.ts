import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import Schema from "typebox/schema";
import { ConfigError, ModelError, messageOf, readReason } from "../errors.js";
import { MAX_CARD_BYTES, ModelCard } from "./card.js";

export type ModelFileKind = ModelCard["files"][number]["kind"];

/** A model folder whose card has been checked. */
export interface Model {
  readonly folder: string;
  readonly card: ModelCard;
}

/** The models that come with the package. */
export const SHIPPED_MODELS = fileURLToPath(new URL("../../models/", import.meta.url));

const MAX_FILE_BYTES = 2 ** 30;
const cardSchema = Schema.Compile(ModelCard);

/**
 * Finds a model by the name of a shipped one or by the path of its folder, and checks its card. Throws `ConfigError` if
 * there is none, `ModelError` if its card is invalid.
 */
export async function loadModel(nameOrPath: string, baseDir: string): Promise<Model> {
  const isPath = isModelPath(nameOrPath);
  const folder = isPath ? resolve(baseDir, nameOrPath) : join(SHIPPED_MODELS, nameOrPath);
  const file = join(folder, "card.json");
  const text = await readCard(file, nameOrPath, isPath);
  let card: unknown;
  try {
    card = JSON.parse(text);
  } catch (cause) {
    throw new ModelError("MODEL_CARD", `model ${nameOrPath}: ${file} is not JSON: ${messageOf(cause)}`, {
      cause,
    });
  }
  if (!cardSchema.Check(card)) {
    const [first] = cardSchema.Errors(card)[1];
    const where = first?.instancePath ? ` at ${first.instancePath}` : "";
    throw new ModelError(
      "MODEL_CARD",
      `model ${nameOrPath}: ${file} is not a model card${where}: ${first?.message ?? ""}`,
    );
  }
  return { folder, card: card as ModelCard };
}

/** Whether a model is given by the path of its folder rather than by name. */
export function isModelPath(nameOrPath: string): boolean {
  return /[\\/]/.test(nameOrPath) || nameOrPath === ".";
}

/** Names of the models that come with the package. */
export function shippedModels(): string[] {
  if (!existsSync(SHIPPED_MODELS)) return [];
  const entries = readdirSync(SHIPPED_MODELS, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && entry.name !== "haarcascades");
  return folders.map((entry) => entry.name).sort();
}

/** Message for a name that no shipped model has. */
export function noSuchModel(name: string): string {
  return `model ${name}: not found; use ${shippedModels().join(", ")}, or the path of a model's folder (./runs/mine/model)`;
}

async function readCard(file: string, name: string, isPath: boolean): Promise<string> {
  try {
    const info = await stat(file);
    if (!info.isFile()) throw new ModelError("MODEL_CARD", `model ${name}: ${file} is not a file`);
    if (info.size > MAX_CARD_BYTES)
      throw new ModelError("MODEL_CARD", `model ${name}: ${file} is too large for a model card`);
    return await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    const what = existsSync(dirname(file)) ? "it has no card.json" : "folder not found";
    throw new ConfigError(
      "MODEL_MISSING",
      isPath
        ? `model ${name}: ${what}; give the folder of a model that \`pipeline train\` made`
        : noSuchModel(name),
      { cause },
    );
  }
}

const REMEDIES: Readonly<Record<ModelFileKind, string>> = {
  onnx: "use the model from which this one was exported",
  "onnx-int8": "create it with `pipeline models quantize`",
  tfjs: "create it with `pipeline models export`",
  "tfjs-weights": "create it with `pipeline models export`",
};

/** The bytes of one of the model's files, after checking its size and hash against the card. */
export async function modelFile({ folder, card }: Model, kind: ModelFileKind): Promise<Uint8Array> {
  const entry = card.files.find((file) => file.kind === kind);
  if (!entry)
    throw new ModelError("MODEL_FILE", `model ${card.name}: it has no ${kind} file; ${REMEDIES[kind]}`);
  const path = join(folder, entry.path);
  const fail = (what: string) =>
    new ModelError("MODEL_FILE", `model ${card.name}: ${path} ${what}; install or export the model again`);
  const info = await stat(path).catch(() => undefined);
  if (!info) throw fail("is missing");
  if (!info.isFile()) throw fail("is not a file");
  if (info.size !== entry.bytes || info.size > MAX_FILE_BYTES)
    throw fail(`has ${info.size} bytes, but its card says ${entry.bytes}`);
  const bytes = await readFile(path).catch((cause) => {
    throw fail(`cannot be read (${readReason(cause)})`);
  });
  if (createHash("sha256").update(bytes).digest("hex") !== entry.sha256)
    throw fail("is not the file its card describes (its hash differs)");
  return bytes;
}

/**
 * The model with its card as it is now: while a long command worked with it, others may have added to the card. Throws
 * `ModelError` if the file that the command used has been replaced.
 *
 * @param meanwhile ends the message: "while it was measured; evaluate it again"
 */
export async function reloaded(
  { folder, card: before }: Model,
  used: ModelFileKind,
  meanwhile: string,
): Promise<Model> {
  const { card } = await loadModel(folder, folder);
  const hashIn = ({ files }: ModelCard) => files.find(({ kind }) => kind === used)?.sha256;
  if (hashIn(card) !== hashIn(before))
    throw new ModelError("MODEL_CHANGED", `model ${card.name}: its file was replaced ${meanwhile}`);
  return { folder, card };
}
