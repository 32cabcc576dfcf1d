export { sourcesOf } from "./identity.js";
export { Recipe } from "./recipe.js";
export { type EpochReport, type StepReport, type TrainOptions, type TrainResult, train } from "./trainer.js";
