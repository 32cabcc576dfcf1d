import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { parse } from "csv-parse";
import { DataError, readReason } from "../../errors.js";
import { ROW_ID } from "./csv.js";
import { type FaceDataset, rowsOf } from "./dataset.js";
import { fitRegression } from "./regression.js";
import { isNamed } from "./split-names.js";

const KINDS = [
  "neutral",
  "happiness",
  "surprise",
  "sadness",
  "anger",
  "disgust",
  "fear",
  "contempt",
  "unknown",
  "nf",
];
/** The kind of vote that means the same, for each of FER-2013's labels. */
const KIND_OF = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"];

/**
 * In how many pictures at a time most votes must be for the label in at least what share. It is 53 to 71 % where votes
 * and pictures belong together, and 11 to 27 % where they are a row apart.
 */
const TOGETHER = 200;
const LEAST_AGREEING = 0.4;

/** So that the logarithm of a kind without a vote is finite. About half a vote of ten. */
const FLOOR = 0.05;

/** FER+'s ten annotators' votes, by the id of the picture in the CSV of FER-2013. */
export type Votes = ReadonlyMap<string, readonly number[]>;

/**
 * Reads FER+'s `fer2013new.csv` (columns `Usage`, `Image name`, ten kinds of votes). Rows are matched by their order, as
 * FER+ intends (its image names are numbered differently). Throws `DataError`.
 */
export async function readFerPlus(path: string, dataset: FaceDataset): Promise<Votes> {
  const rows = await readRows(path);
  const votes = new Map(
    dataset.ids.map((id, i): [string, readonly number[]] => {
      const { usage, counts } = rows[Number(id.slice(ROW_ID.length))] ?? {};
      const split = dataset.splits[dataset.split[i] ?? 0] ?? "";
      if (usage === undefined || !isNamed(usage, [split]))
        throw new DataError(
          "DATA_FERPLUS",
          `${path}: ${id} is ${usage ?? "missing"} here but ${split} in ${dataset.name}; both files must have the rows of FER-2013 in their original order`,
        );
      return [id, counts ?? []];
    }),
  );
  checkAgreement(path, dataset, votes);
  return votes;
}

/** Throws `DataError` if the votes cannot be these pictures': rows missing in one file shift all that follow. */
function checkAgreement(path: string, { name, ids, label }: FaceDataset, votes: Votes): void {
  const voted = [...ids.entries()].filter(([, id]) => votes.get(id)?.some((count) => count > 0));
  for (let from = 0; from + TOGETHER <= voted.length; from += TOGETHER) {
    const some = voted.slice(from, from + TOGETHER);
    const agreeing = some.filter(([i, id]) => {
      const counts = votes.get(id) ?? [];
      return counts[KINDS.indexOf(KIND_OF[label[i] ?? 0] ?? "")] === Math.max(...counts);
    }).length;
    if (agreeing < LEAST_AGREEING * TOGETHER)
      throw new DataError(
        "DATA_FERPLUS",
        `${path}: most votes are for the label in only ${agreeing} of the ${TOGETHER} pictures from ${some[0]?.[1]} to ${some.at(-1)?.[1]} of ${name}, as if rows were missing; both files must have the rows of FER-2013 in their original order`,
      );
  }
}

/**
 * Adds soft labels: `(1 - share) * label + share * p`, where `p` is how probable each label is for a picture with such
 * votes. The votes themselves will not do: annotators see neutral faces where FER-2013 has other labels, and have kinds
 * of their own (contempt, unknown, not a face). `p` comes from a multinomial regression of the training pictures' labels
 * on the logarithms of the shares of votes. Pictures without votes keep their label.
 */
export function withVotes(
  dataset: FaceDataset,
  votes: Votes,
  share: number,
  training: readonly string[],
): FaceDataset {
  const classes = dataset.labels.length;
  const features = dataset.ids.map((id) => featuresOf(votes.get(id) ?? []));
  const learnt = rowsOf(dataset, training).filter((row) => features[row] !== undefined);
  const regression = fitRegression(
    Array.from(learnt, (row) => features[row] ?? []),
    Array.from(learnt, (row) => dataset.label[row] ?? 0),
    classes,
  );
  const soft = new Float32Array(dataset.label.length * classes);
  features.forEach((x, i) => {
    const own = dataset.label[i] ?? 0;
    const p = x && regression(x);
    for (let c = 0; c < classes; c++) {
      const label = c === own ? 1 : 0;
      soft[i * classes + c] = p ? (1 - share) * label + share * (p[c] ?? 0) : label;
    }
  });
  return { ...dataset, soft };
}

/** Undefined without a vote. */
function featuresOf(counts: readonly number[]): readonly number[] | undefined {
  const sum = counts.reduce((a, b) => a + b, 0);
  return sum > 0 ? counts.map((n) => Math.log(n / sum + FLOOR)) : undefined;
}

async function readRows(path: string): Promise<{ usage: string | undefined; counts: number[] }[]> {
  const votes: { usage: string | undefined; counts: number[] }[] = [];
  const clean = (names: string[]) => names.map((name) => name.trim().toLowerCase());
  try {
    const parser = parse({ columns: clean, trim: true, bom: true });
    await pipeline(createReadStream(path), parser, async (rows: AsyncIterable<Record<string, string>>) => {
      for await (const row of rows) {
        if (!("usage" in row) || !KINDS.every((name) => name in row))
          throw new Error("the first line must name Usage and the ten kinds of votes, as in fer2013new.csv");
        votes.push({ usage: row.usage, counts: KINDS.map((name) => Number(row[name]) || 0) });
      }
    });
  } catch (cause) {
    throw new DataError("DATA_FERPLUS", `${path}: ${readReason(cause)}`, { cause });
  }
  return votes;
}
