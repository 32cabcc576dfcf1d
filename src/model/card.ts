import { type Static, Type } from "typebox";

/** Largest size of a card. */
export const MAX_CARD_BYTES = 2 ** 20;

/** The seven expressions in FER-2013's own order. */
export const FER_LABELS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"] as const;

const ClassMetrics = Type.Object({
  label: Type.String(),
  count: Type.Integer({ minimum: 0 }),
  precision: Type.Number(),
  recall: Type.Number(),
  f1: Type.Number(),
});

/** Figures of one evaluation, written by `pipeline evaluate`. */
export const CardMetrics = Type.Object({
  dataset: Type.String(),
  split: Type.String(),
  images: Type.Integer({ minimum: 0 }),
  flip: Type.Boolean({ description: "Whether averaged over each picture and its mirror image." }),
  precision: Type.Optional(
    Type.Literal("int8", { description: "Set if measured on the 8-bit file; absent for 32-bit floats." }),
  ),
  accuracy: Type.Number(),
  macroF1: Type.Number(),
  ece: Type.Number({ description: "Expected calibration error, 15 bins." }),
  top2: Type.Number(),
  classes: Type.Array(ClassMetrics),
  confusion: Type.Array(Type.Array(Type.Integer({ minimum: 0 })), {
    description: "Rows: truth. Columns: prediction.",
  }),
});

/** `models/<name>/card.json`: what a model is, how its input is prepared, how good it is and what it must not be used for. */
export const ModelCard = Type.Object(
  {
    format: Type.Literal(1),
    name: Type.String({ pattern: "^[a-z0-9][a-z0-9-]*$" }),
    version: Type.String(),
    summary: Type.String(),
    labels: Type.Array(Type.String({ minLength: 1 }), { minItems: 2, maxItems: 1000, uniqueItems: true }),
    input: Type.Object({
      width: Type.Integer({ minimum: 8, maximum: 512 }),
      height: Type.Integer({ minimum: 8, maximum: 512 }),
      channels: Type.Literal(1),
      scale: Type.Number({ description: "x = pixel * scale + offset, pixel 0 to 255." }),
      offset: Type.Number(),
    }),
    face: Type.Object({
      margin: Type.Number({
        minimum: -0.4,
        maximum: 1,
        description:
          "Added on each side of the detected box, as a fraction of its size; negative crops tighter.",
      }),
      shiftY: Type.Number({
        minimum: -1,
        maximum: 1,
        description: "Moves the crop down by this fraction of the box height.",
      }),
    }),
    files: Type.Array(
      Type.Object({
        path: Type.String({ pattern: "^[A-Za-z0-9._-]+$" }),
        kind: Type.Union([
          Type.Literal("onnx"),
          Type.Literal("onnx-int8"),
          Type.Literal("tfjs"),
          Type.Literal("tfjs-weights"),
        ]),
        bytes: Type.Integer({ minimum: 1 }),
        sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }),
      }),
    ),
    parameters: Type.Integer({ minimum: 0 }),
    multiplyAdds: Type.Integer({ minimum: 0 }),
    training: Type.Record(Type.String(), Type.Unknown(), {
      description: "Data, recipe, seed, epochs, time, software.",
    }),
    metrics: Type.Array(CardMetrics),
    licence: Type.String(),
    limits: Type.Array(Type.String()),
  },
  { additionalProperties: false },
);

export type CardMetrics = Static<typeof CardMetrics>;
export type ModelCard = Static<typeof ModelCard>;
