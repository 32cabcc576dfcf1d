import { basename, resolve } from "node:path";
import { Check, Default, Parse } from "typebox/value";
import type { ModelCard } from "../card.js";
import { DataOptions } from "./read.js";

/** How to read a data set that a model is measured on. */
export interface MeasuredData {
  readonly options: DataOptions;
  /** Whether it is what the model was trained on, and so is divided as it was then. */
  readonly asTrained: boolean;
}

/**
 * Divides a data set by the recipe in a model's card where that was trained on one of the same name, so that what was
 * held back then is held back now; any other by the defaults.
 */
export function measuredData(path: string, { training, input }: ModelCard): MeasuredData {
  const { width, height } = input;
  const { data } = (training.recipe ?? {}) as { data?: unknown };
  const trained = Default(DataOptions, structuredClone(data));
  if (Check(DataOptions, trained) && basename(trained.path) === basename(resolve(path))) {
    const { ferplus: _, ...options } = trained; // votes are targets to learn, and not the truth
    return { options: { ...options, path, width, height }, asTrained: true };
  }
  const options = Parse(DataOptions, Default(DataOptions, { path, width, height }));
  return { options, asTrained: false };
}
