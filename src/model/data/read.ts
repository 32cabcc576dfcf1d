import type { Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { type Static, Type } from "typebox";
import { ConfigError, messageOf } from "../../errors.js";
import { plural } from "../../text.js";
import { readCsv } from "./csv.js";
import { countTable, type FaceDataset } from "./dataset.js";
import { dropBlank, dropCopies } from "./duplicates.js";
import { readFerPlus, withVotes } from "./ferplus.js";
import { readFolder } from "./folder.js";
import { Skipped } from "./skipped.js";
import { divide, SplitOptions } from "./split.js";

/** Where labelled faces come from: the `data:` block of a recipe. */
export const DataOptions = Type.Object({
  path: Type.String({
    description:
      "FER-2013's CSV (`emotion,pixels,Usage`), or a folder with one folder of pictures per class.",
  }),
  training: Type.Array(Type.String(), {
    default: ["training"],
    description: "Names of the splits to learn from, in upper or lower case; `train` means `training`.",
  }),
  validation: Type.Number({
    default: 0.2,
    minimum: 0,
    maximum: 0.9,
    description:
      "Fraction of each class to hold back if a folder has no splits of its own. 0: nothing; otherwise at least one picture.",
  }),
  split: Type.Optional(SplitOptions),
  width: Type.Integer({
    default: 48,
    minimum: 8,
    maximum: 512,
    description: "Width in pixels that pictures from folders are scaled to.",
  }),
  height: Type.Integer({
    default: 48,
    minimum: 8,
    maximum: 512,
    description: "Height in pixels that pictures from folders are scaled to.",
  }),
  seed: Type.Integer({ default: 1, description: "Seed for splitting a folder." }),
  ferplus: Type.Optional(
    Type.Object(
      {
        path: Type.String({ description: "FER+'s `fer2013new.csv`." }),
        share: Type.Number({
          default: 0.4,
          minimum: 0,
          maximum: 1,
          description:
            "Weight of the votes against the label. They count as how probable each label is for a picture with such votes.",
        }),
      },
      { description: "FER+'s votes beside the labels, for FER-2013's CSV." },
    ),
  ),
  maxDamaged: Type.Number({
    default: 0.01,
    minimum: 0,
    maximum: 1,
    description: "Fraction of pictures that may be damaged and skipped.",
  }),
  minContrast: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 128,
    description: "Leaves out training pictures whose grey levels deviate less than this.",
  }),
});
export type DataOptions = Static<typeof DataOptions>;

/** Receives messages while a data set is read. */
export interface DataLog {
  info(message: string): void;
  warn(message: string): void;
}

/**
 * Reads a data set, drops exact copies of held-back pictures from training, and logs the number of pictures by class
 * and split. Paths are used as given. Throws `ConfigError` if a path does not exist, `DataError` if its contents are
 * unusable.
 *
 * @param remedy what the caller can do about too many damaged pictures, besides repairing them: "raise `x`"
 */
export async function readDataset(options: DataOptions, log: DataLog, remedy = ""): Promise<FaceDataset> {
  const { path, training } = options;
  const skipped = new Skipped(path, options.maxDamaged, (message) => log.warn(message), remedy);
  const info = await checkPaths(options);
  let dataset = info.isDirectory()
    ? await readFolder(path, options, skipped, (message) => log.warn(message))
    : await readCsv(path, skipped);
  const votes = options.ferplus && (await readFerPlus(options.ferplus.path, dataset));
  if (options.split) {
    const tests = (options.split.of ?? dataset.splits).filter((name) => /test/i.test(name));
    dataset = divide(dataset, options.split);
    if (tests.length > 0)
      log.warn(
        `${path}: \`split\` puts pictures of ${tests.join(", ")} into training; do not evaluate the model on them`,
      );
  }
  const copies = dropCopies(dataset, training);
  const blank = dropBlank(copies.dataset, training, options.minContrast);
  dataset = blank.dataset;
  if (votes && options.ferplus) dataset = withVotes(dataset, votes, options.ferplus.share, training);
  log.info(
    `${dataset.name}: ${plural(dataset.label.length, "picture")} of ${dataset.width}x${dataset.height}\n${countTable(dataset)}`,
  );
  if (copies.dropped > 0)
    log.info(`left out of training: ${plural(copies.dropped, "picture")} also in another split`);
  if (blank.dropped > 0) log.info(`left out of training: ${plural(blank.dropped, "almost blank picture")}`);
  if (skipped.count > 0) log.warn(`${path}: ${plural(skipped.count, "picture")} could not be used`);
  return dataset;
}

/** Stats of the data's path. Throws `ConfigError` if it or that of the votes cannot be accessed. */
export async function checkPaths({ path, ferplus }: Pick<DataOptions, "path" | "ferplus">): Promise<Stats> {
  const info = await infoOf(path, "a CSV file or a folder of classes");
  if (ferplus) await infoOf(ferplus.path, "FER+'s fer2013new.csv");
  return info;
}

/** Stats of a path. Throws `ConfigError` if it cannot be accessed. */
async function infoOf(path: string, wanted: string): Promise<Stats> {
  return stat(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? "no such file or folder" : messageOf(cause);
    throw new ConfigError("DATA_READ", `${path}: ${why}; give ${wanted}`, { cause });
  });
}
