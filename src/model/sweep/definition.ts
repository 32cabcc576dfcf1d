import { type Static, Type } from "typebox";

const Value = Type.Union([Type.Number(), Type.String(), Type.Boolean(), Type.Array(Type.Number())]);
const Settings = Type.Record(Type.String(), Value);

/** Largest number of runs in a sweep. */
export const MOST_RUNS = 10_000;

/** Values of a recipe by their path in it, e.g. `optimiser.rate`. */
export type Settings = Static<typeof Settings>;

const Range = Type.Object({
  from: Type.Number({ description: "Lowest value." }),
  to: Type.Number({ description: "Highest value." }),
  log: Type.Optional(
    Type.Boolean({ default: false, description: "Spread evenly by ratio; `from` must be above 0." }),
  ),
});

const Step = Type.Object({
  vary: Type.String({ description: "The value of the recipe that this step varies, e.g. `batch`." }),
  values: Type.Array(Value, { minItems: 1, description: "Values to try." }),
  with: Type.Optional(
    Type.Record(Type.String(), Value, {
      description: "Other values of the recipe to set from this step on (`{ epochs: 50 }`).",
    }),
  ),
});

/** What `pipeline sweep` reads: a recipe, and which of its values to vary. */
export const SweepDefinition = Type.Object({
  name: Type.String({
    pattern: "^[a-z0-9][a-z0-9-]*$",
    description: "Name of the sweep: lower-case letters, digits and hyphens.",
  }),
  recipe: Type.String({
    description: "The recipe. Its path, and paths among the values, are relative to this file.",
  }),
  set: Type.Optional(
    Type.Record(Type.String(), Value, { description: "Values that replace the recipe's in every run." }),
  ),
  method: Type.Union([Type.Literal("one-factor"), Type.Literal("grid"), Type.Literal("random")], {
    description:
      "`one-factor`: one option after another, each keeping the best value so far. `grid`: all combinations. `random`: combinations drawn at random.",
  }),
  steps: Type.Optional(Type.Array(Step, { minItems: 1, description: "Steps of `one-factor`, in order." })),
  parameters: Type.Optional(
    Type.Record(Type.String(), Type.Union([Type.Array(Value, { minItems: 1 }), Range]), {
      description:
        "For `grid` and `random`: lists of values by their place in the recipe; for `random` also ranges `{ from, to, log }`.",
    }),
  ),
  runs: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: MOST_RUNS,
      default: 20,
      description: "Number of combinations for `random` to draw.",
    }),
  ),
  seed: Type.Optional(Type.Integer({ minimum: 0, default: 1, description: "Seed of `random`." })),
  judge: Type.Union([Type.Literal("accuracy"), Type.Literal("loss")], {
    default: "accuracy",
    description:
      "What makes a run the best: the highest validation accuracy (if equal, the lower loss), or the lowest validation loss.",
  }),
  halving: Type.Optional(
    Type.Object(
      {
        epochs: Type.Integer({ minimum: 1, description: "Epochs that every run gets first." }),
        factor: Type.Integer({
          minimum: 2,
          maximum: 16,
          default: 3,
          description:
            "One run in this many continues, with this many times the epochs, until one has all of its own.",
        }),
      },
      { description: "Prunes `grid` and `random` early (successive halving; Jamieson and Talwalkar, 2016)." },
    ),
  ),
});
export type SweepDefinition = Static<typeof SweepDefinition>;
export type SweepStep = Static<typeof Step>;
