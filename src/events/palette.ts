/** A colour as `#rrggbb`. */
export type Colour = `#${string}`;

/**
 * One colour an expression, the same in every picture, page and report. The palette of Okabe and Ito ("Color universal
 * design", 2008), told apart with any common form of colour blindness.
 */
const KNOWN: Readonly<Record<string, Colour>> = {
  happy: "#E69F00",
  surprise: "#F0E442",
  neutral: "#999999",
  sad: "#0072B2",
  angry: "#D55E00",
  fear: "#CC79A7",
  disgust: "#009E73",
};

/** For labels of other models, in the order of their labels: the palette's last colour, then Tol's "muted" scheme. */
const FURTHER: readonly Colour[] = ["#56B4E9", "#882255", "#44AA99", "#AA4499", "#DDCC77", "#117733"];

/** The colour of each label of a model, in the labels' order. */
export function coloursOf(labels: readonly string[]): Colour[] {
  let others = 0;
  return labels.map((label) => {
    const known = Object.hasOwn(KNOWN, label) ? KNOWN[label] : undefined;
    return known ?? FURTHER[others++ % FURTHER.length] ?? "#999999";
  });
}
