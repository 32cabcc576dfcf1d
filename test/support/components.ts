import { EMPTY, map } from "rxjs";
import { Type } from "typebox";
import type { FaceFrame, Frame } from "#src/media/frame.js";
import { type Component, operator, sink, source } from "#src/pipeline/component.js";
import { Bytes, Duration, Length, Path, Rate, Size } from "#src/pipeline/units.js";

const list = [
  source({
    type: "clip",
    summary: "A recording.",
    options: Type.Object({
      path: Path({ description: "The file." }),
      from: Type.Optional(Duration({ description: "Start." })),
    }),
    example: "- { type: clip, path: a.mp4 }",
    live: () => false,
    open: () => EMPTY,
  }),
  source({
    type: "camera",
    summary: "A camera.",
    options: Type.Object({ url: Type.String({ minLength: 1, description: "Its address." }) }),
    example: "- { type: camera, url: rtsp://a }",
    live: () => true,
    open: () => EMPTY,
  }),
  operator({
    type: "halve",
    summary: "Frames to frames.",
    takes: "frames",
    gives: "frames",
    options: Type.Object({
      fps: Type.Optional(Rate({ default: 5, description: "Rate." })),
      size: Type.Optional(Size({ description: "Size." })),
    }),
    example: "- { type: halve, fps: 5 }",
    build: () => map((frame: Frame) => frame),
  }),
  operator({
    type: "find",
    summary: "Frames to faces.",
    takes: "frames",
    gives: "faces",
    options: Type.Object({
      minSize: Type.Optional(Length({ default: "8%", description: "Smallest face." })),
      every: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 1, description: "Each n-th." })),
      engine: Type.Optional(
        Type.Union([Type.Literal("haar"), Type.Literal("opencv")], {
          default: "haar",
          description: "By what.",
        }),
      ),
    }),
    example: "- { type: find }",
    build: () => map((frame: Frame) => ({ frame, faces: [], fullScan: true })),
  }),
  operator({
    type: "settle",
    summary: "Faces to faces.",
    takes: "faces",
    gives: "faces",
    needs: ["find"],
    options: Type.Object({
      batch: Type.Optional(
        Type.Object(
          {
            size: Type.Optional(Type.Integer({ minimum: 1, default: 32, description: "Faces a batch." })),
            maxWait: Type.Optional(Duration({ default: "15ms", description: "Longest wait." })),
          },
          { default: {}, description: "Batches." },
        ),
      ),
      steps: Type.Optional(Type.Array(Duration({ description: "A step." }), { description: "Steps." })),
      flip: Type.Optional(Type.Boolean({ description: "Mirrors." })),
    }),
    example: "- { type: settle, batch: { size: 8 } }",
    build: () => map((faces: FaceFrame) => faces),
  }),
  operator({
    type: "tell",
    summary: "Faces to events.",
    takes: "faces",
    gives: "events",
    options: Type.Object({}),
    example: "- { type: tell }",
    build: () => () => EMPTY,
  }),
  sink({
    type: "lines",
    summary: "Events to a file.",
    takes: "events",
    options: Type.Object({
      path: Path({ description: "The file." }),
      rotate: Type.Optional(Bytes({ description: "Largest file." })),
    }),
    example: "- { type: lines, path: a.jsonl }",
    build: () => ({ write: () => undefined, close: () => undefined }),
  }),
  sink({
    type: "film",
    summary: "Faces drawn into a recording.",
    takes: "faces",
    colour: true,
    options: Type.Object({ path: Path({ description: "The file." }) }),
    example: "- { type: film, path: a.mp4 }",
    build: () => ({ write: () => undefined, close: () => undefined }),
  }),
  sink({
    type: "screen",
    summary: "Faces, and events where there are any.",
    takes: "faces",
    also: "events",
    options: Type.Object({ port: Type.Optional(Type.Integer({ description: "Where." })) }),
    example: "- { type: screen }",
    build: () => ({ write: () => undefined, close: () => undefined }),
  }),
];

/** A few components of each role that do nothing, for tests of the language. */
export const components = list as unknown as readonly Component[];

/** Frames as they are, with no face found: for tests of what comes after detection. */
export const faceless = operator({
  type: "faceless",
  summary: "Finds no face.",
  takes: "frames",
  gives: "faces",
  options: Type.Object({}),
  example: "- { type: faceless }",
  build: () => map((frame: Frame) => ({ frame, faces: [], fullScan: true })),
}) as unknown as Component;
