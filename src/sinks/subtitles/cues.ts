import type { Colour } from "../../events/palette.js";
import type { Box } from "../../media/frame.js";

/** A face as it is shown for a while. */
export interface Cue {
  /** Milliseconds from the recording's start. */
  readonly fromMs: number;
  readonly toMs: number;
  /** `#3 happy 87 %`: its track, its expression, and how sure the model was, on average over the cue. */
  readonly text: string;
  /** Absent where the face has no expression. */
  readonly colour?: Colour;
  /** Where it was at the beginning and at the end, pixels. */
  readonly from: Box;
  readonly to: Box;
}

/** A face in one picture, as cues tell of it. */
export interface Sighting {
  readonly track: number;
  readonly box: Box;
  readonly label?: string;
  readonly colour?: Colour;
  /** 0 to 1. */
  readonly confidence?: number;
}

export interface CueOptions {
  /** A face that has moved by so much of its width begins a new cue. */
  readonly move: number;
  /** No cue is longer: who jumps into a recording soon sees it. */
  readonly longestMs: number;
}

/** A face that is not found for so long is still shown where it was. */
const GAP_MS = 250;
/** A last picture that no other follows is shown so long. */
const LAST_MS = 40;

interface Open {
  readonly first: Sighting;
  last: Sighting;
  readonly fromMs: number;
  /** When it was first missed; absent while it is seen. */
  missedMs?: number;
  sum: number;
  count: number;
}

/** Makes cues of the faces in one picture after another. Cues come out by the time at which they begin. */
export class CueMaker {
  readonly #options: CueOptions;
  readonly #open = new Map<number, Open>();
  #finished: Cue[] = [];
  #lastMs = 0;

  constructor(options: CueOptions) {
    this.#options = options;
  }

  /** The next picture's faces. Gives the cues that are ready. */
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

  /** Nothing follows. Gives the rest. */
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

/** By how much a box's sides have moved, at most. */
function distance(a: Box, b: Box): number {
  return Math.max(
    Math.abs(a.x - b.x),
    Math.abs(a.y - b.y),
    Math.abs(a.x + a.width - b.x - b.width),
    Math.abs(a.y + a.height - b.y - b.height),
  );
}

/** All faces at once, for subtitles that have no places: nothing overlaps. */
export interface Line {
  readonly fromMs: number;
  readonly toMs: number;
  /** One a face, from left to right. */
  readonly texts: readonly string[];
}

/** Makes lines of cues that come by the time at which they begin. */
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
