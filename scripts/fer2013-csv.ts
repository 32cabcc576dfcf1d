/**
 * Writes FER-2013's official CSV (`emotion,pixels,Usage`) and, next to it, FER+'s `fer2013new.csv`, from the raw form
 * that tests use: `tsx scripts/fer2013-csv.ts <folder with images.u8.gz and index.csv> <output folder>`.
 *
 * Training rows that are also in a test split (`copies_test`) are left out of both files: PrivateTest itself is not
 * among these rows, so reading them could not find its copies.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse";

const PIXELS = 48 * 48;
const [from, to] = process.argv.slice(2);
if (!from || !to) {
  console.error("usage: fer2013-csv.ts <raw folder> <output folder>");
  process.exit(2);
}

const images = gunzipSync(await readFile(join(from, "images.u8.gz")));
const index: Record<string, string>[] = await createReadStream(join(from, "index.csv"))
  .pipe(parse({ columns: true }))
  .toArray();
if (images.length !== index.length * PIXELS) throw new Error(`${from}: images and index differ in length`);
const kept = [...index.entries()].filter(([, row]) => row.usage !== "Training" || row.copies_test === "");

function* official(): Generator<string> {
  yield "emotion,pixels,Usage\n";
  for (const [i, { label, usage }] of kept)
    yield `${label},${images.subarray(i * PIXELS, (i + 1) * PIXELS).join(" ")},${usage}\n`;
}

function* votes(): Generator<string> {
  const kinds = [
    "neutral",
    "happiness",
    "surprise",
    "sadness",
    "anger",
    "disgust",
    "fear",
    "contempt",
    "unknown",
    "NF",
  ];
  yield `Usage,Image name,${kinds.join(",")}\n`;
  for (const [, row] of kept)
    yield `${row.usage},${row.ferplus_name},${kinds.map((kind) => row[`fp_${kind}`]).join(",")}\n`;
}

await mkdir(to, { recursive: true });
await pipeline(official, createWriteStream(join(to, "fer2013.csv")));
await pipeline(votes, createWriteStream(join(to, "fer2013new.csv")));
console.log(
  `${kept.length} rows; left out of training: ${index.length - kept.length} copies of test pictures`,
);
