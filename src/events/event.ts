import { type Static, Type } from "typebox";

const Probability = Type.Number({ minimum: 0, maximum: 1 });

/** The `data` of an emotion event. Media times are milliseconds from the start of the recording or camera session. */
export const EmotionData = Type.Object(
  {
    pipeline: Type.String({ description: "Name of the pipeline file." }),
    camera: Type.String({ description: "Id of the source in the pipeline file." }),
    track: Type.Integer({
      minimum: 1,
      description: "Number of the tracked face, counted from 1 for each camera; never reused in a run.",
    }),
    kind: Type.Union(
      [Type.Literal("appeared"), Type.Literal("changed"), Type.Literal("sample"), Type.Literal("left")],
      {
        description:
          "Why the event was sent: the face `appeared`, its label `changed`, a `sample` was due, or it `left`, with its last label.",
      },
    ),
    label: Type.String({
      description:
        "The current expression, by its name in the model, e.g. `happy`. Smoothing keeps it until another is clearly ahead, so for a while it may not be the most likely of `probabilities`.",
    }),
    confidence: Type.Number({ minimum: 0, maximum: 1, description: "Smoothed probability of `label`." }),
    probabilities: Type.Record(Type.String(), Probability, {
      description: "Smoothed probability of each expression, by name.",
    }),
    raw: Type.Optional(
      Type.Record(Type.String(), Probability, {
        description:
          "The model's own probabilities for this frame, by name. Only with `raw: true` on the operator `events`.",
      }),
    ),
    box: Type.Object({
      x: Type.Number({
        description: "Left edge in pixels of the source frame, from 0.",
      }),
      y: Type.Number({ description: "Top edge in pixels, from 0." }),
      width: Type.Number({ exclusiveMinimum: 0, description: "Pixels." }),
      height: Type.Number({ exclusiveMinimum: 0, description: "Pixels." }),
    }),
    relativeBox: Type.Object(
      { x: Type.Number(), y: Type.Number(), width: Type.Number(), height: Type.Number() },
      {
        description:
          "The same box as fractions of the frame's width and height: 0 to 1, except for rounding.",
      },
    ),
    frame: Type.Integer({ minimum: 0, description: "Number of the frame in its source, from 0." }),
    picture: Type.Optional(Type.String({ description: "File name of the image, for an `images` source." })),
    mediaTimeMs: Type.Number({
      description:
        "Media time of the frame in ms: the container's PTS, or a picture's place in its list divided by `fps`.",
    }),
    sinceMs: Type.Number({ description: "Media time in ms at which this label started." }),
    model: Type.Object(
      { name: Type.String(), version: Type.String() },
      { description: "The model the probabilities come from." },
    ),
    purpose: Type.Optional(
      Type.String({ description: "Why the data is collected, from the pipeline file." }),
    ),
    retention: Type.Optional(
      Type.String({ description: "How long the data may be kept, from the pipeline file." }),
    ),
  },
  { additionalProperties: false },
);

/** A CloudEvents 1.0 event in JSON format: one line of a `jsonl` sink, one message of a `nats` sink. */
export const EmotionEvent = Type.Object(
  {
    specversion: Type.Literal("1.0", { description: "Version of CloudEvents." }),
    id: Type.String({
      minLength: 1,
      description:
        "Stable: the same recording, model and pipeline give the same ids in every run. Ids of cameras, pipes and live streams are unique to the run.",
    }),
    source: Type.String({
      minLength: 1,
      description:
        "URI reference: `/pipelines/<name>/sources/<id>`, with name and id percent-encoded. `data.pipeline` and `data.camera` have the plain text.",
    }),
    type: Type.String({
      pattern: "^dev\\.ekspresi\\.emotion\\.(appeared|changed|sample|left)$",
      description: "`dev.ekspresi.emotion.<kind>`.",
    }),
    subject: Type.String({ minLength: 1, description: "`<camera>/<track>`." }),
    time: Type.String({
      format: "date-time",
      description:
        "Wall time of the frame for a live source. For a recording it is the start of the run plus media time, which may be in the future, because recordings are read faster than they play.",
    }),
    datacontenttype: Type.Literal("application/json", { description: "Media type of `data`." }),
    data: EmotionData,
  },
  { additionalProperties: false, title: "Emotion event" },
);

export type EmotionData = Static<typeof EmotionData>;
export type EmotionEvent = Static<typeof EmotionEvent>;
