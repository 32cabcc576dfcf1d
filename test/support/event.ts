import type { EmotionData, EmotionEvent } from "#src/events/event.js";

/** A valid event, its id made from `n`. */
export function eventOf(n: number, data: Partial<EmotionData> = {}): EmotionEvent {
  return {
    specversion: "1.0",
    id: `event-${n}`,
    source: "/pipelines/test/sources/door",
    type: "dev.ekspresi.emotion.changed",
    subject: "door/3",
    time: "2026-01-01T00:00:00.000Z",
    datacontenttype: "application/json",
    data: {
      pipeline: "test",
      camera: "door",
      track: 3,
      kind: "changed",
      label: "happy",
      confidence: 0.874,
      probabilities: { happy: 0.874, neutral: 0.126 },
      box: { x: 1, y: 2, width: 30, height: 30 },
      relativeBox: { x: 0.01, y: 0.02, width: 0.3, height: 0.3 },
      frame: n,
      mediaTimeMs: n * 40,
      sinceMs: n * 40,
      model: { name: "m", version: "1" },
      ...data,
    },
  };
}
