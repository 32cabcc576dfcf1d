import { type Static, Type } from "typebox";
import { DataError } from "../../errors.js";
import { type FaceDataset, rowsOf } from "../data/index.js";
import { openEngine } from "../engine/index.js";
import { probabilitiesOf } from "../evaluation/evaluate.js";
import { loadModel } from "../load.js";
import { positionsOf } from "./classes.js";

/** A model whose predictions are learnt alongside the labels: the `teacher:` block of a recipe. */
export const TeacherOptions = Type.Object(
  {
    model: Type.String({
      description:
        "Name of a shipped model, or path of a model's folder. Its classes must be those of the data.",
    }),
    share: Type.Number({
      default: 0.5,
      minimum: 0,
      maximum: 1,
      description: "Weight of its probabilities against the label (and FER+'s votes).",
    }),
  },
  { description: "A model whose answers are learnt beside the labels." },
);
export type TeacherOptions = Static<typeof TeacherOptions>;

const BATCH = 64;

/**
 * Mixes a teacher's predictions into the targets of the training pictures: `(1 - share) * target + share * teacher`,
 * where `teacher` is its mean over the picture and its mirror image (distillation at temperature 1, Hinton et al.
 * 2015). The teacher sees each picture once, unaugmented: running it on every augmented one would double the work of
 * training.
 *
 * Throws `ConfigError` or `ModelError` if the teacher is missing or damaged, `DataError` if its classes are not the
 * data's.
 *
 * @param onPicture called after each batch with the number of pictures seen, and of all
 * @param signal ends it early: pictures not seen yet keep their targets
 */
export async function withTeacher(
  dataset: FaceDataset,
  { model: name, share }: TeacherOptions,
  splits: readonly string[],
  threads: number,
  onPicture?: (done: number, of: number) => void,
  signal?: AbortSignal,
): Promise<FaceDataset> {
  const model = await loadModel(name, process.cwd());
  const columns = columnsOf(model.card.labels, dataset, name);
  const rows = rowsOf(dataset, splits);
  const soft = targetsOf(dataset);
  const classes = columns.length;
  const engine = await openEngine(model, { threads });
  try {
    for (let from = 0; from < rows.length && !signal?.aborted; from += BATCH) {
      const batch = rows.subarray(from, from + BATCH);
      const answers = await probabilitiesOf(model, engine, dataset, batch, true);
      batch.forEach((row, i) => {
        columns.forEach((column, c) => {
          const at = row * classes + c;
          soft[at] = (1 - share) * (soft[at] ?? 0) + share * (answers[i * classes + column] ?? 0);
        });
      });
      onPicture?.(from + batch.length, rows.length);
    }
  } finally {
    await engine.close();
  }
  return { ...dataset, soft };
}

/** Position of each of the data's classes among the teacher's. */
function columnsOf(theirs: readonly string[], { name, labels }: FaceDataset, teacher: string): number[] {
  const columns = positionsOf(labels, theirs);
  if (!columns)
    throw new DataError(
      "TEACHER_CLASSES",
      `teacher ${teacher} has the classes ${theirs.join(", ")}, but ${name} has ${labels.join(", ")}; use a teacher with the same classes`,
    );
  return columns;
}

/** A copy of the targets so far, `[n, labels]`. */
function targetsOf({ soft, label, labels }: FaceDataset): Float32Array {
  if (soft) return soft.slice();
  const targets = new Float32Array(label.length * labels.length);
  label.forEach((own, i) => {
    targets[i * labels.length + own] = 1;
  });
  return targets;
}
