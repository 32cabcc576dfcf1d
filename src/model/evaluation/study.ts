/** The study's row-normalised confusion matrix in percent, rows truth, classes in FER-2013's order. */
export const STUDY_CONFUSION: readonly (readonly number[])[] = [
  [70, 1, 10, 4, 2, 3, 10],
  [26, 55, 5, 4, 5, 2, 3],
  [12, 1, 45, 5, 20, 7, 11],
  [2, 0, 2, 87, 2, 2, 5],
  [9, 1, 10, 6, 55, 1, 19],
  [3, 0, 10, 5, 2, 80, 0],
  [5, 0, 5, 9, 3, 2, 75],
];

/** What the study states of its test, its conclusion and its text; fractions. */
export const STUDY_FIGURES = {
  conclusion: { accuracy: 0.67, precision: 0.67, recall: 0.66 },
  text: { accuracy: 0.77, precision: 0.72, recall: 0.74 },
};
