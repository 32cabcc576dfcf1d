import type { Cascade } from "./cascade.js";
import { roundHalfEven } from "./group.js";

/** In pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** How to run a cascade over a picture; the options of OpenCV's `detectMultiScale`. */
export interface ScanOptions {
  /** Factor from one search window size to the next; above 1. Default 1.1. */
  readonly scaleFactor?: number;
  /** Raw windows that must agree on a face. Default 5. */
  readonly minNeighbors?: number;
  /** Smallest and largest face in pixels. Default: no limit. */
  readonly minSize?: Size;
  readonly maxSize?: Size;
}

/** A size of the picture at which the cascade's window slides over it. */
export interface Scale {
  /** Picture pixels per scaled pixel (single precision). */
  readonly factor: number;
  /** Size of the scaled picture. */
  readonly width: number;
  readonly height: number;
  /** Pixels between windows: 2 while the picture is shrunk by a factor of less than 2. */
  readonly step: 1 | 2;
}

/**
 * The scales that OpenCV's `detectMultiScale` looks at; none if the picture is smaller than the window. Throws
 * `RangeError` if `scaleFactor` is not above 1.
 */
export function scalesOf(
  cascade: Pick<Cascade, "width" | "height">,
  picture: Size,
  options: ScanOptions,
): Scale[] {
  const { scaleFactor = 1.1, minSize = { width: 0, height: 0 } } = options;
  if (!(scaleFactor > 1)) throw new RangeError(`scaleFactor is ${scaleFactor}; it must be above 1`);
  const maxSize = options.maxSize ?? picture;
  const windowAt = (factor: number): Size => ({
    width: roundHalfEven(cascade.width * factor),
    height: roundHalfEven(cascade.height * factor),
  });
  const all: number[] = [];
  for (let factor = 1; ; factor *= scaleFactor) {
    const window = windowAt(factor);
    if (window.width > picture.width || window.height > picture.height) break;
    all.push(Math.fround(factor));
  }
  const within = all.filter((factor) => {
    const { width, height } = windowAt(factor);
    const small = width < minSize.width || height < minSize.height;
    return !small && width <= maxSize.width && height <= maxSize.height;
  });
  const chosen = within.length > 0 ? within : nearest(all, windowAt, minSize);
  return chosen.map((factor) => ({
    factor,
    width: roundHalfEven(Math.fround(picture.width / factor)),
    height: roundHalfEven(Math.fround(picture.height / factor)),
    step: factor >= 2 ? 1 : 2,
  }));
}

/** OpenCV's fallback if no scale lies between the limits: the one nearest to `minSize`. */
function nearest(all: readonly number[], windowAt: (factor: number) => Size, minSize: Size): number[] {
  let best: number | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const factor of all) {
    const window = windowAt(factor);
    const distance = (minSize.width - window.width) ** 2 + (minSize.height - window.height) ** 2;
    if (distance < least) {
      least = distance;
      best = factor;
    }
  }
  return best === undefined ? [] : [best];
}
