import { type Static, Type } from "typebox";
import { ConfigError } from "../../errors.js";
import { type FaceDataset, rowsOf } from "./dataset.js";
import { Random } from "./random.js";
import { isNamed } from "./split-names.js";

/** How splits are merged and divided again: the `split:` block of a recipe's data. */
export const SplitOptions = Type.Object(
  {
    training: Type.Number({
      default: 0.8,
      exclusiveMinimum: 0,
      exclusiveMaximum: 1,
      description: "Fraction of each class that becomes the split `training`; the rest becomes `validation`.",
    }),
    of: Type.Optional(
      Type.Array(Type.String(), {
        minItems: 1,
        description:
          "Splits to merge; the others stay as they are. Default: all, so test pictures are learnt from as well.",
      }),
    ),
    seed: Type.Integer({ default: 1, description: "Seed for dividing them." }),
  },
  {
    description: "Divides the pictures anew into `training` and `validation`, whatever splits they come in.",
  },
);
export type SplitOptions = Static<typeof SplitOptions>;

/** Merges splits and divides them again into `training` and `validation`, class by class. Throws `ConfigError`. */
export function divide(dataset: FaceDataset, { training, of, seed }: SplitOptions): FaceDataset {
  const unknown = of?.find((name) => !dataset.splits.some((split) => isNamed(split, [name])));
  if (unknown !== undefined)
    throw new ConfigError(
      "DATA_SPLIT",
      `${dataset.name}: \`split.of\` names ${unknown}, which does not exist; the data set has ${dataset.splits.join(", ")}`,
    );
  const merged = of ?? dataset.splits;
  const made = ["training", "validation"];
  const others = dataset.splits.filter((name) => !isNamed(name, merged) && !isNamed(name, made));
  const splits = [...made, ...others];
  const split = dataset.split.map((own) =>
    splits.findIndex((name) => isNamed(name, [dataset.splits[own] ?? ""])),
  );
  const rows = rowsOf(dataset, merged);
  for (const label of dataset.labels.keys()) {
    const own = new Random(seed, label).shuffle(rows.filter((row) => dataset.label[row] === label));
    const learnt = partOf(own.length, training);
    own.forEach((row, i) => {
      split[row] = i < learnt ? 0 : 1;
    });
  }
  return { ...dataset, splits, split };
}

/** How many of a class's pictures a fraction is. With two or more, at least one goes to either side. */
export function partOf(count: number, part: number): number {
  const whole = Math.round(count * part);
  return count < 2 ? whole : Math.min(count - 1, Math.max(1, whole));
}
