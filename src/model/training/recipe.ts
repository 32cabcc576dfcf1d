import { basename } from "node:path";
import { type Static, Type } from "typebox";
import { AugmentOptions, DataOptions, SamplingOptions } from "../data/index.js";
import { OptimiserOptions } from "./optimiser.js";
import { ScheduleOptions } from "./schedule.js";
import { TeacherOptions } from "./teacher.js";

/** What `pipeline train` reads: everything that determines the model. */
export const Recipe = Type.Object({
  name: Type.String({
    pattern: "^[a-z0-9][a-z0-9-]*$",
    description: "Name of the model: lower-case letters, digits and hyphens.",
  }),
  summary: Type.String({ default: "", description: "One line for the model's card." }),
  architecture: Type.Union([Type.Literal("small"), Type.Literal("study")], {
    default: "small",
    description: "The network to train.",
  }),
  width: Type.Number({
    default: 1,
    minimum: 0.1,
    maximum: 8,
    description: "Multiplies the channels of its hidden layers. Work and parameters grow with the square.",
  }),
  from: Type.Optional(
    Type.String({
      description:
        "A model to start from, of the same architecture and as wide or narrower: name of a shipped model, or path of a model's folder.",
    }),
  ),
  teacher: Type.Optional(TeacherOptions),
  dropout: Type.Number({
    default: 0.2,
    minimum: 0,
    maximum: 0.95,
    description: "Dropout rate of the network.",
  }),
  data: DataOptions,
  validation: Type.Array(Type.String(), {
    default: ["PublicTest", "validation"],
    description: "Names of the splits to judge each epoch on.",
  }),
  augment: Type.Object(AugmentOptions.properties, { default: {} }),
  sampling: Type.Object(SamplingOptions.properties, { default: {} }),
  batch: Type.Integer({ default: 64, minimum: 1, maximum: 4096, description: "Pictures per step." }),
  epochs: Type.Integer({
    default: 60,
    minimum: 1,
    description: "Number of times that the training pictures are seen.",
  }),
  seed: Type.Integer({ default: 1, minimum: 0, description: "Same seed, same run." }),
  optimiser: Type.Object(OptimiserOptions.properties, { default: {} }),
  schedule: Type.Object(ScheduleOptions.properties, { default: {} }),
  clip: Type.Number({ default: 0, minimum: 0, description: "Longest gradient allowed; 0: no limit." }),
  mixup: Type.Number({
    default: 0,
    minimum: 0,
    description: "Shape of the beta distribution by which pairs of pictures are mixed; 0: no mixing.",
  }),
  average: Type.Number({
    default: 0,
    minimum: 0,
    exclusiveMaximum: 1,
    description: "Decay of a moving average of the weights, which then becomes the model; 0: no averaging.",
  }),
  keep: Type.Union([Type.Literal("best"), Type.Literal("last")], {
    default: "best",
    description: "Which epoch becomes the model: the one with the lowest validation loss, or the last.",
  }),
  mirror: Type.Boolean({
    default: false,
    description:
      "Makes a model that averages over each picture and its mirror image, the latter enlarged by 1.15: twice the work.",
  }),
  calibratePrior: Type.Boolean({
    default: false,
    description:
      "Finally shifts the last biases so that each class is as probable as it is frequent among the training labels. For use with targets or sampling that changed this.",
  }),
  licence: Type.String({ default: "unstated", description: "Licence of the weights." }),
  limits: Type.Array(Type.String(), { default: [], description: "What the model must not be used for." }),
});
export type Recipe = Static<typeof Recipe>;

/** The recipe with paths reduced to file names: what a card may reveal, and what stays the same when a folder moves. */
export function withoutFolders(recipe: Recipe): Recipe {
  const { data, from, teacher } = recipe;
  const ferplus = data.ferplus && { ...data.ferplus, path: basename(data.ferplus.path) };
  return {
    ...recipe,
    data: { ...data, path: basename(data.path), ...(ferplus && { ferplus }) },
    ...(from !== undefined && { from: basename(from) }),
    ...(teacher && { teacher: { ...teacher, model: basename(teacher.model) } }),
  };
}

/** Pixels become -1 to 1, as in the study. */
export const NORMALISATION = { scale: 1 / 127.5, offset: -1 };
