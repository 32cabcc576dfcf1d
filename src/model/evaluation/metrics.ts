import { argmax } from "../argmax.js";

/** Figures of one class. Fractions are 0 if there is nothing to divide by. */
export interface ClassFigures {
  readonly label: string;
  /** Pictures of this class. */
  readonly count: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** The study's accuracy of a class: (TP + TN) / all. */
  readonly oneVsRest: number;
}

/**
 * How well probabilities match the truth. All fractions are 0 to 1. Means cover only the classes that the data has
 * pictures of: scikit-learn also counts classes that were only predicted, so that a single such prediction takes a
 * whole class's share off the mean.
 */
export interface Figures {
  readonly images: number;
  readonly accuracy: number;
  /** The true class is among the two most probable. */
  readonly top2: number;
  readonly macroPrecision: number;
  readonly macroRecall: number;
  readonly macroF1: number;
  /** Mean of `oneVsRest`, the study's own "accuracy"; it flatters: guessing one of seven at random gives 0.755. */
  readonly oneVsRest: number;
  /** Expected calibration error of the winning class, 15 equal bins (Guo et al. 2017). */
  readonly ece: number;
  readonly classes: readonly ClassFigures[];
  /** Rows: truth. Columns: prediction. */
  readonly confusion: readonly (readonly number[])[];
}

const BINS = 15;

/** @param probabilities `[label.length, labels.length]`; @param label the truth, an index into `labels` */
export function figuresOf(
  probabilities: Float32Array,
  label: Uint8Array | Uint16Array,
  labels: readonly string[],
): Figures {
  const n = label.length;
  const size = labels.length;
  const confusion = labels.map(() => new Array<number>(size).fill(0));
  const bins = Array.from({ length: BINS }, () => ({ right: 0, confidence: 0 }));
  let top2 = 0;
  label.forEach((truth, i) => {
    const row = probabilities.subarray(i * size, (i + 1) * size);
    const best = argmax(row);
    const confidence = row[best] ?? 0;
    const counts = confusion[truth];
    if (counts) counts[best] = (counts[best] ?? 0) + 1;
    if (rank(row, truth) < 2) top2++;
    const bin = bins[Math.min(BINS - 1, Math.floor(confidence * BINS))];
    if (bin) {
      bin.right += best === truth ? 1 : 0;
      bin.confidence += confidence;
    }
  });
  const classes = labels.map((name, c) => classFigures(name, c, confusion, n));
  const present = classes.filter(({ count }) => count > 0);
  const mean = (of: (figures: ClassFigures) => number) => ratio(sum(present.map(of)), present.length);
  return {
    images: n,
    accuracy: ratio(sum(labels.map((_, c) => confusion[c]?.[c] ?? 0)), n),
    top2: ratio(top2, n),
    macroPrecision: mean(({ precision }) => precision),
    macroRecall: mean(({ recall }) => recall),
    macroF1: mean(({ f1 }) => f1),
    oneVsRest: mean(({ oneVsRest }) => oneVsRest),
    ece: ratio(sum(bins.map(({ right, confidence }) => Math.abs(right - confidence))), n),
    classes,
    confusion,
  };
}

/** How many classes rank before `truth`; of equal ones, the first ranks first. */
function rank(row: Float32Array, truth: number): number {
  const own = row[truth] ?? 0;
  return row.reduce((before, value, c) => before + (value > own || (value === own && c < truth) ? 1 : 0), 0);
}

function classFigures(label: string, c: number, confusion: readonly number[][], n: number): ClassFigures {
  const right = confusion[c]?.[c] ?? 0;
  const count = sum(confusion[c] ?? []);
  const predicted = sum(confusion.map((row) => row[c] ?? 0));
  const precision = ratio(right, predicted);
  const recall = ratio(right, count);
  return {
    label,
    count,
    precision,
    recall,
    f1: ratio(2 * precision * recall, precision + recall),
    oneVsRest: ratio(n - count - predicted + 2 * right, n),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
