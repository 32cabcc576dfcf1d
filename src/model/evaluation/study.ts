/** The study's row-normalised confusion matrix in percent; rows are the truth, classes in FER-2013's order. */
export const STUDY_CONFUSION: readonly (readonly number[])[] = [
  [70, 1, 10, 4, 2, 3, 10],
  [26, 55, 5, 4, 5, 2, 3],
  [12, 1, 45, 5, 20, 7, 11],
  [2, 0, 2, 87, 2, 2, 5],
  [9, 1, 10, 6, 55, 1, 19],
  [3, 0, 10, 5, 2, 80, 0],
  [5, 0, 5, 9, 3, 2, 75],
];

/** What the study states in its conclusion and in its text, as fractions. */
export const STUDY_FIGURES = {
  conclusion: { accuracy: 0.67, precision: 0.67, recall: 0.66 },
  text: { accuracy: 0.77, precision: 0.72, recall: 0.74 },
};

/** A row of the study's sweep: the value tried and its results; accuracies in percent, losses as printed. */
export interface StudyRow {
  readonly value: number;
  readonly train: number;
  readonly validation: number;
  readonly loss: number;
  readonly validationLoss: number;
}

const row = (
  value: number,
  train: number,
  validation: number,
  loss: number,
  validationLoss: number,
): StudyRow => ({ value, train, validation, loss, validationLoss });

/** The study's Tables 7 to 9, by the value they vary; the last dropout is printed as 1. */
export const STUDY_SWEEPS: Readonly<Record<string, { table: number; rows: readonly StudyRow[] }>> = {
  batch: {
    table: 7,
    rows: [
      row(16, 54.91, 60.35, 4.96, 4.38),
      row(32, 55.15, 60.59, 4.93, 4.36),
      row(64, 55.11, 59.92, 4.91, 4.4),
      row(128, 52.14, 57.91, 5.21, 4.62),
      row(256, 55.03, 59.36, 4.97, 4.49),
    ],
  },
  epochs: {
    table: 8,
    rows: [
      row(70, 56.2, 60.42, 4.82, 4.3),
      row(90, 56.61, 62.15, 4.77, 4.2),
      row(100, 57.6, 62.8, 4.65, 4.11),
      row(120, 54.71, 60.41, 4.93, 4.31),
      row(150, 55.52, 60.46, 4.9, 4.31),
    ],
  },
  dropout: {
    table: 9,
    rows: [
      row(0.2, 58.06, 62.78, 4.64, 4.14),
      row(0.4, 60.63, 64.22, 4.32, 4.0),
      row(0.6, 62.24, 62.44, 4.54, 4.02),
      row(0.8, 45.65, 52.01, 5.91, 5.15),
      row(1, 75.31, 66.72, 2.76, 4.12),
    ],
  },
};
