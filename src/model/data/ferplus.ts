import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { parse } from "csv-parse";
import { DataError, readReason } from "../../errors.js";
import { ROW_ID } from "./csv.js";
import type { FaceDataset } from "./dataset.js";
import { isNamed } from "./split-names.js";

/** FER+'s columns for FER-2013's seven classes, in FER-2013's order; contempt, unknown and NF have no class there. */
const VOTES = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"];

/** With fewer votes for the seven classes, the annotators did not agree on anything, and only the label counts. */
const LEAST_VOTES = 3;

/**
 * Adds soft labels from FER+'s `fer2013new.csv` (columns `Usage`, `Image name`, ten kinds of votes): `(1 - share) *
 * label + share * votes`, with only the votes for the seven classes, normalised to a sum of 1. Pictures with fewer than
 * three such votes keep their label. Rows are matched by their order, as FER+ intends (its image names are numbered
 * differently). Throws `DataError`.
 */
export async function withFerPlus(dataset: FaceDataset, path: string, share: number): Promise<FaceDataset> {
  const votes = await readVotes(path);
  const classes = dataset.labels.length;
  const soft = new Float32Array(dataset.label.length * classes);
  dataset.ids.forEach((id, i) => {
    const label = dataset.label[i] ?? 0;
    const { usage, counts: row } = votes[Number(id.slice(ROW_ID.length))] ?? {};
    if (usage === undefined || !isNamed(usage, [dataset.splits[dataset.split[i] ?? 0] ?? ""]))
      throw new DataError(
        "DATA_FERPLUS",
        `${path}: ${id} is ${usage ?? "missing"} here but ${dataset.splits[dataset.split[i] ?? 0]} in ${dataset.name}; both files must have the rows of FER-2013 in their original order`,
      );
    const sum = row?.reduce((a, b) => a + b, 0) ?? 0;
    const part = sum >= LEAST_VOTES ? share : 0;
    for (let c = 0; c < classes; c++)
      soft[i * classes + c] = (c === label ? 1 - part : 0) + (part > 0 ? (part * (row?.[c] ?? 0)) / sum : 0);
  });
  return { ...dataset, soft };
}

interface Votes {
  readonly usage: string | undefined;
  readonly counts: readonly number[];
}

async function readVotes(path: string): Promise<Votes[]> {
  const votes: Votes[] = [];
  const clean = (names: string[]) => names.map((name) => name.trim().toLowerCase());
  try {
    const parser = parse({ columns: clean, trim: true, bom: true });
    await pipeline(createReadStream(path), parser, async (rows: AsyncIterable<Record<string, string>>) => {
      for await (const row of rows) {
        if (!("usage" in row) || !VOTES.every((name) => name in row))
          throw new Error("the first line must name Usage and the ten kinds of votes, as in fer2013new.csv");
        votes.push({ usage: row.usage, counts: VOTES.map((name) => Number(row[name]) || 0) });
      }
    });
  } catch (cause) {
    throw new DataError("DATA_FERPLUS", `${path}: ${readReason(cause)}`, { cause });
  }
  return votes;
}
