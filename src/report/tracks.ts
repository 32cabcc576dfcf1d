import type { CameraDetail } from "./cameras.js";
import type { Seen } from "./read.js";
import { apartMs, type Position } from "./run.js";
import type { Timeline } from "./timeline.js";

/** Maximum number of tracks shown individually. */
export const SHOWN_TRACKS = 40;
const MOST_OPEN = 4000;
/** Maximum number of runs that share a camera and track number. */
const MOST_RUNS = 16;

export interface TrackDetail {
  readonly camera: CameraDetail;
  readonly track: number;
  readonly timeline: Timeline;
  totalMs: number;
  readonly fromMs: number;
  toMs: number;
}

/** A track that has not left yet, with data of its last event. */
export interface Open extends Position {
  readonly detail: TrackDetail;
  label: number;
  atMs: number;
  box: Seen["data"]["relativeBox"];
}

/** Open tracks, and of the closed ones those longest in view; both limited in number. */
export class Tracks {
  /** By camera and number, least recently seen first; from several runs if recordings are processed in parallel. */
  readonly #open = new Map<string, Open[]>();
  #opened = 0;
  #closed: TrackDetail[] = [];

  /** The open track of the same run; if there are several, the one with the closest clocks. */
  find(key: string, now: Seen, same: (before: Position, now: Seen) => boolean): Open | undefined {
    const runs = this.#open.get(key);
    if (!runs) return undefined;
    let found: Open | undefined;
    for (const open of runs) {
      if (!same(open, now)) continue;
      if (!found || apartMs(open, now) < apartMs(found, now)) found = open;
    }
    if (found) {
      this.#open.delete(key); // and append it again
      this.#open.set(key, runs);
    }
    return found;
  }

  open(key: string, open: Open): void {
    const runs = this.#open.get(key) ?? [];
    const [first] = runs;
    if (first && runs.length >= MOST_RUNS) this.close(key, first);
    runs.push(open);
    this.#opened++;
    this.#open.set(key, runs);
    const [oldest] = this.#opened > MOST_OPEN ? this.#open : [];
    if (oldest) for (const one of [...oldest[1]]) this.close(oldest[0], one);
  }

  /** Closes a track, whose time in view is now known. */
  close(key: string, open: Open): void {
    const runs = this.#open.get(key) ?? [];
    this.#opened--;
    if (runs.length > 1) runs.splice(runs.indexOf(open), 1);
    else this.#open.delete(key);
    this.#closed.push(open.detail);
    if (this.#closed.length > 10 * SHOWN_TRACKS) this.#closed = longestOf(this.#closed);
  }

  /** The tracks longest in view, ordered by when they appeared. */
  longest(): TrackDetail[] {
    const open = [...this.#open.values()].flat().map(({ detail }) => detail);
    return longestOf([...this.#closed, ...open]).sort((a, b) => a.fromMs - b.fromMs || a.track - b.track);
  }
}

function longestOf(tracks: readonly TrackDetail[]): TrackDetail[] {
  return [...tracks].sort((a, b) => b.totalMs - a.totalMs).slice(0, SHOWN_TRACKS);
}
