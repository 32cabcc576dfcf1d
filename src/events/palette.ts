import { difference } from "./colour-difference.js";

/** A colour as `#rrggbb`. */
export type Colour = `#${string}`;

/**
 * One colour per expression, the same in every video, page and report. The palette of Okabe and Ito ("Color universal
 * design", 2008) can be distinguished with any common form of colour blindness.
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

/**
 * For labels of other models. Each stands out from the light and dark backgrounds of page and report (3:1, as WCAG 2.2
 * requires for graphics), which leaves little choice: for any of the above, some of them differ from it.
 */
const FURTHER: readonly Colour[] = [
  ...(["#BB55FF", "#EE0011", "#117799", "#DD22CC", "#888877"] as const),
  ...(["#667722", "#886666", "#AA11FF", "#CC1199", "#009944"] as const),
];

/** The colour of each label of a model; the same for the same labels in any order. */
export function coloursOf(labels: readonly string[]): Colour[] {
  const colours = new Map<string, Colour>();
  const unknown: string[] = [];
  for (const label of [...labels].sort()) {
    const known = Object.hasOwn(KNOWN, label) ? KNOWN[label] : undefined;
    if (known) colours.set(label, known);
    else unknown.push(label);
  }
  const left = new Set(FURTHER);
  // Once those are used up, what other labels do not use is better than the same colour twice.
  const used = new Set(colours.values());
  const spare = new Set(Object.values(KNOWN).filter((colour) => !used.has(colour)));
  for (const [i, label] of unknown.entries()) {
    const some = left.size > 0 ? left : spare;
    const colour = some.size > 0 ? farthest(some, colours) : FURTHER[i % FURTHER.length];
    if (!colour) break;
    some.delete(colour);
    colours.set(label, colour);
  }
  return labels.map((label) => colours.get(label) ?? "#999999");
}

/** The candidate whose smallest difference from any of `taken` is the largest. */
function farthest(candidates: ReadonlySet<Colour>, taken: ReadonlyMap<string, Colour>): Colour | undefined {
  let best: Colour | undefined;
  let most = Number.NEGATIVE_INFINITY;
  for (const candidate of candidates) {
    const least = Math.min(...[...taken.values()].map((colour) => difference(candidate, colour)));
    if (least > most) [best, most] = [candidate, least];
  }
  return best;
}
