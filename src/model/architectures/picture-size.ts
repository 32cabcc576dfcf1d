import { ConfigError, ModelError } from "../../errors.js";
import { chainShape, type Layer } from "../layers/layer.js";

/** Range of side lengths that pictures may have. */
const LEAST = 8;
const MOST = 512;

/**
 * Throws `ConfigError` if a network cannot take pictures of this size; the message gives the nearest size that it can.
 *
 * @param what names the data and the network in the message
 */
export function checkPictureSize(
  what: string,
  layers: readonly Layer[],
  { width, height }: { readonly width: number; readonly height: number },
): void {
  if (fits(layers, width) && fits(layers, height)) return;
  const nearest = [width, height].map((side) => nearestSide(layers, side)).join("x");
  throw new ConfigError(
    "PICTURE_SIZE",
    `${what} cannot take pictures of ${width}x${height}; the nearest size is ${nearest}; set \`data.width\` and \`data.height\` for pictures from a folder (those of a CSV file are not resized)`,
  );
}

/** Layers treat width and height alike. */
function fits(layers: readonly Layer[], side: number): boolean {
  try {
    chainShape(layers, [1, side, side]);
    return true;
  } catch (error) {
    if (error instanceof ModelError) return false;
    throw error;
  }
}

function nearestSide(layers: readonly Layer[], side: number): number {
  const sides = Array.from({ length: MOST - LEAST + 1 }, (_, i) => LEAST + i).filter((n) => fits(layers, n));
  return sides.reduce((best, n) => (Math.abs(n - side) < Math.abs(best - side) ? n : best), sides[0] ?? side);
}
