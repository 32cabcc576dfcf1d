import type { EmotionEvent } from "#src/events/event.js";

/** An event as published by a pipeline `lobby` with a camera `door`; a test checks it against the schema. */
export const EXAMPLE: EmotionEvent = {
  specversion: "1.0",
  id: "9f1c2b7ad04e",
  source: "/pipelines/lobby/sources/door",
  type: "dev.ekspresi.emotion.changed",
  subject: "door/3",
  time: "2026-05-04T09:30:12.480Z",
  datacontenttype: "application/json",
  data: {
    pipeline: "lobby",
    camera: "door",
    track: 3,
    kind: "changed",
    label: "happy",
    confidence: 0.82,
    probabilities: {
      angry: 0.02,
      disgust: 0.01,
      fear: 0.02,
      happy: 0.82,
      sad: 0.03,
      surprise: 0.04,
      neutral: 0.06,
    },
    box: { x: 512, y: 188, width: 132, height: 132 },
    relativeBox: { x: 0.4, y: 0.2611, width: 0.1031, height: 0.1833 },
    frame: 312,
    mediaTimeMs: 12480,
    sinceMs: 12240,
    model: { name: "fer2013-small", version: "0.2.0" },
  },
};
