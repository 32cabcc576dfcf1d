import { basename, resolve } from "node:path";
import { Check, Default, Parse } from "typebox/value";
import type { ModelCard } from "../card.js";
import { DataOptions } from "./read.js";

/** How to read a data set to evaluate a model on. */
export interface MeasuredData {
  readonly options: DataOptions;
  /** Whether the model was trained on this data, so that it is split as it was then. */
  readonly asTrained: boolean;
}

/**
 * Splits a data set by the recipe in a model's card if the model was trained on data of the same name, so that what was
 * held back then is held back now; any other data by the defaults.
 */
export function measuredData(path: string, { training, input }: ModelCard): MeasuredData {
  const { width, height } = input;
  const { data } = (training.recipe ?? {}) as { data?: unknown };
  const trained = Default(DataOptions, structuredClone(data));
  if (Check(DataOptions, trained) && basename(trained.path) === basename(resolve(path))) {
    const { ferplus: _, ...options } = trained; // votes are targets to learn, not the truth
    return { options: { ...options, path, width, height }, asTrained: true };
  }
  const options = Parse(DataOptions, Default(DataOptions, { path, width, height }));
  return { options, asTrained: false };
}
