import type { Colour } from "../../events/palette.js";
import type { Box } from "../../media/frame.js";

/** A face's label as shown for a while. */
export interface Cue {
  /** Milliseconds from the recording's start. */
  readonly fromMs: number;
  readonly toMs: number;
  /** `#3 happy 87 %`: track, expression, and the model's average confidence during the cue. */
  readonly text: string;
  /** Absent if the face has no expression. */
  readonly colour?: Colour;
  /** Positions at the start and at the end, pixels. */
  readonly from: Box;
  readonly to: Box;
}

/** A face in one frame. */
export interface Sighting {
  readonly track: number;
  readonly box: Box;
  readonly label?: string;
  readonly colour?: Colour;
  /** 0 to 1. */
  readonly confidence?: number;
}

export interface CueOptions {
  /** A face that has moved by this fraction of its width starts a new cue. */
  readonly move: number;
  /** Longest cue, so that a player sees it soon after seeking. */
  readonly longestMs: number;
}

/** How long a face that is no longer found is still shown. */
const GAP_MS = 250;
/** Duration of the last frame. */
const LAST_MS = 40;

interface Open {
  readonly first: Sighting;
  last: Sighting;
  readonly fromMs: number;
  /** When it was first missing; absent while it is seen. */
  missedMs?: number;
  sum: number;
  count: number;
}

/** Turns the faces of successive frames into cues, ordered by start time. */
export class CueMaker {
  readonly #options: CueOptions;
  readonly #open = new Map<number, Open>();
  #finished: Cue[] = [];
  #lastMs = 0;

  constructor(options: CueOptions) {
    this.#options = options;
  }

  /** Adds the next frame's faces; returns the cues that are finished. */
  add(atMs: number, faces: readonly Sighting[]): Cue[] {
    this.#lastMs = atMs;
    for (const face of faces) this.#see(face, atMs);
    const seen = new Set(faces.map(({ track }) => track));
    for (const [track, open] of this.#open) {
      if (seen.has(track)) continue;
      open.missedMs ??= atMs;
      if (atMs - open.missedMs >= GAP_MS) this.#finish(track, open, open.missedMs);
    }
    return this.#ready(Math.min(...[...this.#open.values()].map(({ fromMs }) => fromMs)));
  }

  /** Returns the remaining cues. */
  end(): Cue[] {
    for (const [track, open] of this.#open)
      this.#finish(track, open, open.missedMs ?? this.#lastMs + LAST_MS);
    return this.#ready(Number.POSITIVE_INFINITY);
  }

  #see(face: Sighting, atMs: number): void {
    const open = this.#open.get(face.track);
    if (open && this.#goesOn(open, face, atMs)) {
      open.last = face;
      delete open.missedMs;
      open.sum += face.confidence ?? 0;
      open.count++;
      return;
    }
    if (open) this.#finish(face.track, open, atMs);
    this.#open.set(face.track, {
      first: face,
      last: face,
      fromMs: atMs,
      sum: face.confidence ?? 0,
      count: 1,
    });
  }

  #goesOn({ first, fromMs }: Open, { label, box }: Sighting, atMs: number): boolean {
    const { move, longestMs } = this.#options;
    return label === first.label && atMs - fromMs < longestMs && distance(first.box, box) < move * box.width;
  }

  #finish(track: number, { first, last, fromMs, sum, count }: Open, toMs: number): void {
    this.#open.delete(track);
    const sure = first.confidence === undefined ? "" : `${Math.round((100 * sum) / count)} %`;
    this.#finished.push({
      ...{ fromMs, toMs, from: first.box, to: last.box },
      text: [`#${track}`, first.label ?? "", sure].filter(Boolean).join(" "),
      ...(first.colour && { colour: first.colour }),
    });
  }

  #ready(untilMs: number): Cue[] {
    const ready = this.#finished.filter(({ fromMs }) => fromMs <= untilMs);
    if (ready.length > 0) this.#finished = this.#finished.filter(({ fromMs }) => fromMs > untilMs);
    return ready.sort((a, b) => a.fromMs - b.fromMs);
  }
}

/** The largest movement of any side of a box. */
function distance(a: Box, b: Box): number {
  return Math.max(
    Math.abs(a.x - b.x),
    Math.abs(a.y - b.y),
    Math.abs(a.x + a.width - b.x - b.width),
    Math.abs(a.y + a.height - b.y - b.height),
  );
}

/** All faces at a time, for subtitles without positions; lines do not overlap. */
export interface Line {
  readonly fromMs: number;
  readonly toMs: number;
  /** One per face, from left to right. */
  readonly texts: readonly string[];
}

/** Turns cues, ordered by start time, into lines. */
export class Flattener {
  #active: Cue[] = [];
  #fromMs = Number.NEGATIVE_INFINITY;

  add(cue: Cue): Line[] {
    const lines = this.#until(cue.fromMs);
    this.#active.push(cue);
    return lines;
  }

  end(): Line[] {
    return this.#until(Number.POSITIVE_INFINITY);
  }

  #until(limitMs: number): Line[] {
    const lines: Line[] = [];
    while (this.#active.length > 0) {
      const toMs = Math.min(limitMs, ...this.#active.map((cue) => cue.toMs));
      if (toMs > this.#fromMs) {
        const sorted = [...this.#active].sort((a, b) => a.from.x - b.from.x);
        lines.push({ fromMs: this.#fromMs, toMs, texts: sorted.map(({ text }) => text) });
        this.#fromMs = toMs;
      }
      this.#active = this.#active.filter((cue) => cue.toMs > toMs);
      if (toMs === limitMs) break;
    }
    if (Number.isFinite(limitMs)) this.#fromMs = Math.max(this.#fromMs, limitMs);
    return lines;
  }
}
