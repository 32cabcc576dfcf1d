import type { Colour } from "./palette.js";

type Triple = readonly [number, number, number];
type Matrix = readonly [Triple, Triple, Triple];

/** Linear red, green and blue as seen without one kind of cone (Machado, Oliveira and Fernandes 2009). */
const WITHOUT_CONES: readonly Matrix[] = [
  [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
];

// Oklab (Ottosson 2020), a perceptually uniform colour space.
const TO_CONES: Matrix = [
  [0.4122214708, 0.5363325363, 0.0514459929],
  [0.2119034982, 0.6806995451, 0.1073969566],
  [0.0883024619, 0.2817188376, 0.6299787005],
];
const TO_LAB: Matrix = [
  [0.2104542553, 0.793617785, -0.0040720468],
  [1.9779984951, -2.428592205, 0.4505937099],
  [0.0259040371, 0.7827717662, -0.808675766],
];

/**
 * Perceived difference of two colours, the least over all kinds of colour vision: with all cones, or without one kind.
 * 0 to about 1; below 0.02 it is hardly visible.
 */
export function difference(a: Colour, b: Colour): number {
  const [seenA, seenB] = [seen(a), seen(b)];
  return Math.min(...seenA.map((view, i) => distance(view, seenB[i] ?? view)));
}

/** A colour in Oklab for each kind of colour vision. */
function seen(colour: Colour): Triple[] {
  const linear = linearOf(colour);
  const views = [linear, ...WITHOUT_CONES.map((matrix) => times(matrix, linear))];
  return views.map((view) => {
    const shown = map(view, (value) => Math.min(1, Math.max(0, value)));
    return times(TO_LAB, map(times(TO_CONES, shown), Math.cbrt));
  });
}

/** Linear red, green and blue, 0 to 1: without the sRGB transfer curve (IEC 61966-2-1). */
export function linearOf(colour: Colour): Triple {
  const channel = (at: number) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [channel(1), channel(3), channel(5)];
}

function distance([a, b, c]: Triple, [d, e, f]: Triple): number {
  return Math.hypot(a - d, b - e, c - f);
}

function map([a, b, c]: Triple, change: (value: number) => number): Triple {
  return [change(a), change(b), change(c)];
}

function times([x, y, z]: Matrix, [a, b, c]: Triple): Triple {
  const dot = ([r, g, s]: Triple) => r * a + g * b + s * c;
  return [dot(x), dot(y), dot(z)];
}
