import type { EmotionEvent } from "../../events/event.js";
import type { FaceFrame } from "../../media/frame.js";
import type { ListedEvent, Point, SeenFace } from "./protocol.js";

/** Media time between two points of a face's timeline, ms. */
const POINT_MS = 100;
/** Maximum number of points kept, whatever time they span: about 50 bytes each on the wire. */
const MAX_POINTS = 20_000;
/** Events kept for pages opened later. */
const MAX_EVENTS = 200;

/** What happened in the last minutes, for pages opened later. Bounded in time and number. */
export class History {
  readonly labels: string[] = [];
  readonly #spanMs: number;
  #points: Point[] = [];
  #events: ListedEvent[] = [];
  /** Media time of the newest frame, by camera index (used by points) and by camera id (used by events). */
  readonly #nowMs = new Map<number | string, number>();
  /** Media time of the last point, by camera and track. */
  readonly #lastMs = new Map<string, number>();
  readonly #indices = new WeakMap<readonly string[], number[]>();

  /** @param spanMs how far back a page can see, in media time */
  constructor(spanMs: number) {
    this.#spanMs = spanMs;
  }

  get points(): readonly Point[] {
    return this.#points;
  }

  get events(): readonly ListedEvent[] {
    return this.#events;
  }

  /** Adds the faces of a frame; returns the new points. */
  addFaces({ frame, faces }: FaceFrame, camera: number): Point[] {
    const fresh: Point[] = [];
    this.#nowMs.set(camera, frame.mediaTimeMs).set(frame.source, frame.mediaTimeMs);
    for (const face of faces) {
      if (face.track === undefined) continue;
      const key = `${camera} ${face.track}`;
      const last = this.#lastMs.get(key) ?? Number.NEGATIVE_INFINITY;
      if (Math.abs(frame.mediaTimeMs - last) < POINT_MS - 1) continue;
      this.#lastMs.set(key, frame.mediaTimeMs);
      const chances = face.smoothed ?? face.probabilities;
      const indices = face.model ? this.#indicesOf(face.model.labels) : [];
      const thousandths = new Array<number>(chances ? this.labels.length : 0).fill(0);
      for (const [i, index] of indices.entries()) thousandths[index] = Math.round((chances?.[i] ?? 0) * 1000);
      const label = face.label === undefined ? -1 : (indices[face.label] ?? -1);
      fresh.push([camera, face.track, Math.round(frame.mediaTimeMs), label, ...thousandths]);
    }
    this.#points.push(...fresh);
    if (this.#points.length > MAX_POINTS * 1.1) this.trim();
    return fresh;
  }

  addEvent({ id, data }: EmotionEvent): ListedEvent {
    const { camera, track, kind, label, confidence, mediaTimeMs, sinceMs } = data;
    const listed = { id, camera, track, kind, label, confidence, mediaTimeMs, sinceMs };
    this.#events.push(listed);
    if (this.#events.length > MAX_EVENTS) this.#events.shift();
    return listed;
  }

  /** The faces of a frame, for a picture's head. */
  seen({ faces }: FaceFrame): SeenFace[] {
    return faces.map(({ box, track, label, model, smoothed, probabilities }) => {
      const index = label === undefined || !model ? undefined : this.#indicesOf(model.labels)[label];
      const confidence = label === undefined ? undefined : (smoothed ?? probabilities)?.[label];
      return {
        box: [box.x, box.y, box.width, box.height].map((value) => Math.round(value * 10) / 10) as never,
        ...(track !== undefined && { track }),
        ...(index !== undefined && { label: index }),
        ...(confidence !== undefined && { confidence: Math.round(confidence * 1000) / 1000 }),
      };
    });
  }

  /** Discards old entries by each camera's own time, whether or not it sees anybody. Called periodically. */
  trim(): void {
    const recent = (camera: number | string, atMs: number) =>
      (this.#nowMs.get(camera) ?? atMs) - atMs <= this.#spanMs;
    this.#events = this.#events.filter(({ camera, mediaTimeMs }) => recent(camera, mediaTimeMs));
    this.#points = this.#points.filter(([camera = 0, , atMs = 0]) => recent(camera, atMs)).slice(-MAX_POINTS);
    const kept = new Set(this.#points.map(([camera, track]) => `${camera} ${track}`));
    for (const key of this.#lastMs.keys()) if (!kept.has(key)) this.#lastMs.delete(key);
  }

  /** Indices of a model's labels in our list; adds unknown ones. */
  #indicesOf(labels: readonly string[]): number[] {
    let indices = this.#indices.get(labels);
    if (!indices) {
      indices = labels.map((label) => {
        const at = this.labels.indexOf(label);
        return at >= 0 ? at : this.labels.push(label) - 1;
      });
      this.#indices.set(labels, indices);
    }
    return indices;
  }
}
