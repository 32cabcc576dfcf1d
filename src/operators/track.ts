import { map } from "rxjs";
import { Type } from "typebox";
import type { Box, Face, FaceFrame } from "../media/frame.js";
import { operator } from "../pipeline/component.js";
import { Duration } from "../pipeline/units.js";
import { covered } from "./geometry.js";
import { assign } from "./hungarian.js";

/** Gives each face a number that it keeps from frame to frame. */
export const track = operator({
  type: "track",
  summary: "Gives each face a number that it keeps.",
  description:
    "Faces are matched to tracks by where each track should be by now, at the least total cost (Hungarian method). A track survives up to `maxGap` without a match; its number is never reused.\n\nA face is passed on from its `minHits`-th match, so the detector's one-frame mistakes never become a track. Nor does a second box over a face that already has a track: detectors produce those now and then, whereas two faces side by side hardly overlap.",
  takes: "faces",
  gives: "faces",
  options: Type.Object({
    maxGap: Type.Optional(
      Duration({
        default: "1s",
        description: "How long a face may go unseen before its track ends, in media time.",
      }),
    ),
    minHits: Type.Optional(
      Type.Integer({
        minimum: 1,
        default: 2,
        description: "Number of frames a face must be found in before it counts.",
      }),
    ),
    maxDistance: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        default: 0.8,
        description: "Largest distance between a face and where it was expected, in face widths.",
      }),
    ),
    maxOverlap: Type.Optional(
      Type.Number({
        minimum: 0,
        maximum: 1,
        default: 0.3,
        description:
          "Largest overlap with other faces at which a new track may begin, as a fraction of the smaller box. 1: always.",
      }),
    ),
  }),
  example: "- { type: track, maxGap: 1s }",
  late: ({ minHits = 2 }) => minHits - 1,
  concern: ({ maxGap = 1000, minHits = 2 }, { apartMs }) =>
    minHits > 1 && (maxGap === 0 || isOver(apartMs, maxGap, apartMs))
      ? `${apartMs > 0 ? `frames are ${Math.round(apartMs) / 1000} s apart, so ` : ""}every track ends (\`maxGap\`: ${maxGap / 1000} s) before its face is found in \`minHits\`: ${minHits} frames, and no face is passed on; give a longer \`maxGap\`, or \`minHits: 1\``
      : undefined,
  build: (options, { stats }) => {
    const trackers = new Map<string, Tracker>();
    stats.tracks ??= 0;
    return map((item: FaceFrame): FaceFrame => {
      const { source } = item.frame;
      const tracker = trackers.get(source) ?? new Tracker(options);
      trackers.set(source, tracker);
      const before = tracker.count;
      const faces = tracker.follow(item.faces, item.frame.mediaTimeMs);
      stats.tracks = (stats.tracks ?? 0) + tracker.count - before;
      const boxes = new Set(faces.map(({ box }) => box));
      const passedOver = item.faces.map(({ box }) => box).filter((box) => !boxes.has(box));
      return { ...item, faces, ...(passedOver.length > 0 && { passedOver }) };
    });
  },
});

/** Frames come late by up to this part of their distance: `sample: { fps: 1 }` gives those of 29.97 a second 1001 ms apart. */
const JITTER = 0.1;

/** Whether a track ends that was seen so long ago. */
function isOver(unseenMs: number, maxGapMs: number, apartMs: number): boolean {
  return unseenMs > maxGapMs + JITTER * apartMs;
}

interface Track {
  /** Assigned when the track is confirmed. */
  id: number | undefined;
  box: Box;
  seenMs: number;
  hits: number;
  /** Velocity of the centre, in pixels per millisecond; 0 until it is measured. */
  vx: number;
  vy: number;
  measured: boolean;
  /** Where it was when its velocity was last measured, and when. */
  from: { readonly box: Box; readonly atMs: number };
}

/** Weight of the latest movement in a track's velocity. */
const NEWEST = 0.4;
/**
 * Velocity is measured over at least this long: over a millisecond, as between two frames of a recording with uneven
 * times, a box that jumps by a few pixels would seem to fly off. In ms.
 */
const LEAST_MEASURE_MS = 10;
/** A face whose size differs by more than this ratio is another one. */
const MAX_SIZE_RATIO = 2;

interface TrackerOptions {
  /** In ms. */
  readonly maxGap?: number;
  readonly minHits?: number;
  readonly maxDistance?: number;
  readonly maxOverlap?: number;
}

/** The tracks of one source. */
class Tracker {
  readonly #maxGapMs: number;
  readonly #minHits: number;
  readonly #maxDistance: number;
  readonly #maxOverlap: number;
  #tracks: Track[] = [];
  #latestMs = 0;
  /** Number of tracks that have been given a number. */
  count = 0;

  constructor({ maxGap = 1000, minHits = 2, maxDistance = 0.8, maxOverlap = 0.3 }: TrackerOptions) {
    this.#maxGapMs = maxGap;
    this.#minHits = minHits;
    this.#maxDistance = maxDistance;
    this.#maxOverlap = maxOverlap;
  }

  follow(faces: readonly Face[], nowMs: number): Face[] {
    const apartMs = nowMs - this.#latestMs;
    this.#latestMs = nowMs;
    this.#tracks = this.#tracks.filter(({ seenMs }) => !isOver(nowMs - seenMs, this.#maxGapMs, apartMs));
    const costs = this.#tracks.map((known) => faces.map((face) => this.#cost(known, face.box, nowMs)));
    const faceOf = assign(costs);
    const trackOf = new Map<Face, Track>();
    for (const [t, known] of this.#tracks.entries()) {
      const face = faces[faceOf[t] ?? -1];
      if (face) trackOf.set(face, known);
    }
    const taken = faces.filter((face) => trackOf.get(face)?.id !== undefined).map(({ box }) => box);
    // Faces without a number, highest score first: of two boxes over one face, the second gets none.
    const fresh = faces.filter((face) => trackOf.get(face)?.id === undefined);
    for (const face of fresh.sort((a, b) => b.score - a.score)) {
      if (taken.some((box) => covered(box, face.box) > this.#maxOverlap)) trackOf.delete(face);
      else if (!trackOf.has(face)) trackOf.set(face, this.#begin(face.box, nowMs));
      if (trackOf.has(face)) taken.push(face.box);
    }
    return faces.flatMap((face) => {
      const known = trackOf.get(face);
      if (!known) return [];
      this.#move(known, face.box, nowMs);
      if (known.id === undefined && known.hits >= this.#minHits) known.id = ++this.count;
      return known.id === undefined ? [] : [{ ...face, track: known.id }];
    });
  }

  #cost(known: Track, box: Box, nowMs: number): number {
    const elapsed = nowMs - known.seenMs;
    const size = (known.box.width + box.width) / 2;
    const ratio = Math.max(known.box.width / box.width, box.width / known.box.width);
    const dx = centreX(box) - (centreX(known.box) + known.vx * elapsed);
    const dy = centreY(box) - (centreY(known.box) + known.vy * elapsed);
    const distance = Math.hypot(dx, dy) / size;
    if (distance > this.#maxDistance || ratio > MAX_SIZE_RATIO) return Number.POSITIVE_INFINITY;
    return distance + Math.log(ratio);
  }

  #move(known: Track, box: Box, nowMs: number): void {
    const elapsed = nowMs - known.from.atMs;
    if (elapsed >= LEAST_MEASURE_MS) {
      const vx = (centreX(box) - centreX(known.from.box)) / elapsed;
      const vy = (centreY(box) - centreY(known.from.box)) / elapsed;
      const weight = known.measured ? NEWEST : 1; // the first movement is all there is to go by
      known.vx += weight * (vx - known.vx);
      known.vy += weight * (vy - known.vy);
      known.measured = true;
      known.from = { box, atMs: nowMs };
    }
    known.box = box;
    known.seenMs = nowMs;
    known.hits++;
  }

  #begin(box: Box, nowMs: number): Track {
    const fresh: Track = {
      id: undefined,
      box,
      seenMs: nowMs,
      hits: 0,
      vx: 0,
      vy: 0,
      measured: false,
      from: { box, atMs: nowMs },
    };
    this.#tracks.push(fresh);
    return fresh;
  }
}

const centreX = (box: Box) => box.x + box.width / 2;
const centreY = (box: Box) => box.y + box.height / 2;
