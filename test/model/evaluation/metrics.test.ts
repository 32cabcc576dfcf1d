import assert from "node:assert/strict";
import fc from "fast-check";
import { figuresOf } from "#src/model/evaluation/metrics.js";

const LABELS = ["angry", "happy", "sad"];

/** Pictures with their truth and a model's predictions. */
const answers = fc.array(
  fc.record({
    truth: fc.integer({ min: 0, max: 2 }),
    scores: fc.tuple(...LABELS.map(() => fc.double({ min: 0.01, max: 1, noNaN: true }))),
  }),
  { minLength: 1, maxLength: 60 },
);

function figures(pictures: readonly { truth: number; scores: readonly number[] }[]) {
  const probabilities = pictures.flatMap(({ scores }) => {
    const sum = scores.reduce((a, b) => a + b);
    return scores.map((score) => score / sum);
  });
  const truth = Uint8Array.from(pictures, (picture) => picture.truth);
  return { all: figuresOf(Float32Array.from(probabilities), truth, LABELS), truth, probabilities };
}

const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a}, not ${b}`);

describe("an evaluation's figures", () => {
  it("match the textbook definitions, counted picture by picture", () => {
    fc.assert(
      fc.property(answers, (pictures) => {
        const { all, truth, probabilities } = figures(pictures);
        const rows = pictures.map((_, i) =>
          Array.from(Float32Array.from(probabilities.slice(i * 3, i * 3 + 3))),
        );
        const said = rows.map((row) => row.indexOf(Math.max(...row)));
        const share = (of: (i: number) => boolean, among = (_: number) => true) => {
          const some = pictures.map((_, i) => i).filter(among);
          return some.length === 0 ? 0 : some.filter(of).length / some.length;
        };
        close(
          all.accuracy,
          share((i) => said[i] === truth[i]),
        );
        const second = rows.map((row, i) => row.indexOf(Math.max(...row.filter((_, c) => c !== said[i]))));
        if (new Set(probabilities.map(Math.fround)).size === probabilities.length)
          close(
            all.top2,
            share((i) => said[i] === truth[i] || second[i] === truth[i]),
          );
        for (const [c, own] of all.classes.entries()) {
          close(
            own.precision,
            share(
              (i) => truth[i] === c,
              (i) => said[i] === c,
            ),
          );
          close(
            own.recall,
            share(
              (i) => said[i] === c,
              (i) => truth[i] === c,
            ),
          );
          close(
            own.oneVsRest,
            share((i) => (said[i] === c) === (truth[i] === c)),
          );
          const both = own.precision + own.recall;
          close(own.f1, both === 0 ? 0 : (2 * own.precision * own.recall) / both);
        }
        const present = all.classes.filter((_, c) => truth.includes(c));
        close(all.macroF1, present.reduce((sum, { f1 }) => sum + f1, 0) / present.length);
        assert.equal(
          all.confusion.flat().reduce((a, b) => a + b),
          pictures.length,
        );
      }),
    );
  });

  it("show no calibration error if a model is right as often as it is confident", () => {
    // 4 of 5 right at 0.8: all in one bin.
    const pictures = [0, 0, 0, 0, 1].map((truth) => ({ truth, scores: [0.8, 0.1, 0.1] as const }));
    close(figures(pictures).all.ece, 0);
    // Always confident and always wrong.
    close(figures([{ truth: 1, scores: [1, 0, 0] }]).all.ece, 1);
  });

  it("are means over the classes in the data, whatever else is predicted", () => {
    const right = { truth: 0, scores: [0.8, 0.1, 0.1] };
    close(figures([right, { truth: 1, scores: [0.1, 0.8, 0.1] }]).all.macroF1, 1);
    const { all } = figures([right, { truth: 1, scores: [0.1, 0.1, 0.8] }]);
    close(all.macroF1, 0.5);
    close(all.macroRecall, 0.5);
    close(all.macroPrecision, 0.5);
  });

  it("show that the study's accuracy flatters: guessing among seven classes scores 75.5 %", () => {
    const labels = Array.from({ length: 7 }, (_, i) => String(i));
    // Each class is guessed for each class once.
    const truth = Uint8Array.from({ length: 49 }, (_, i) => Math.floor(i / 7));
    const guesses = Float32Array.from({ length: 49 * 7 }, (_, i) =>
      Math.floor(i / 7) % 7 === i % 7 ? 1 : 0,
    );
    const { accuracy, oneVsRest } = figuresOf(guesses, truth, labels);
    close(accuracy, 1 / 7);
    close(oneVsRest, 37 / 49);
  });

  it("are 0, not NaN, for no pictures and for classes without pictures", () => {
    for (const { all } of [figures([]), figures([{ truth: 0, scores: [1, 0.1, 0.1] }])])
      for (const value of JSON.stringify(all).matchAll(/null/g)) assert.fail(`not a number: ${value}`);
  });
});
