import { type Clock, clockOf } from "./clock.js";
import type { Seen } from "./read.js";
import { Timeline } from "./timeline.js";

/** Bounds of what is kept, whatever the events hold. */
const MOST_LABELS = 24;
const MOST_CAMERAS = 200;
const MOST_OPEN = 4000;
const MOST_CANDIDATES = 200;
const MOST_NOTES = 8;
const LONGEST_NAME = 80;
/** Tracks and cameras shown one by one; events at each end of the table. */
export const SHOWN_TRACKS = 40;
export const SHOWN_CAMERAS = 12;
const TABLE_END = 100;
/** Cells of a heat map. */
export const COLUMNS = 48;
export const ROWS = 27;
const OTHER = "(other)";
/** Events enough to tell a recording from a camera. */
const TELLING = 200;
/** A file that was rotated goes on where the last one ended: to this difference of its clocks. */
const SAME_RUN_MS = 1000;

export interface TrackDetail {
  readonly camera: string;
  readonly track: number;
  readonly timeline: Timeline;
  totalMs: number;
  readonly fromMs: number;
  toMs: number;
}

export interface CameraDetail {
  readonly timeline: Timeline;
  events: number;
  tracks: number;
  totalMs: number;
  /** Width of its pictures to their height. */
  readonly aspect: number;
  /** Milliseconds that a face covered each cell, row by row. */
  readonly heat: Float64Array;
}

/** A row of the table of events. */
export interface Shown {
  readonly atMs: number;
  readonly camera: string;
  readonly track: number;
  readonly kind: string;
  readonly label: string;
  readonly confidence: number;
}

/** A track that has not left yet, and what its last event said. */
interface Open {
  readonly detail: TrackDetail;
  label: number;
  atMs: number;
  box: Seen["data"]["relativeBox"];
  input: number;
  /** Wall time less media time, ms. */
  clocksMs: number;
}

/** Reads all events into a summary; the first of them decide its clock where none is given. */
export async function summarise(
  events: AsyncIterable<readonly Seen[]>,
  inputs: readonly string[],
  clock?: Clock,
): Promise<Summary> {
  const first: Seen[] = [];
  let summary = clock && new Summary(clock, inputs);
  for await (const some of events) {
    if (summary) for (const seen of some) summary.add(seen);
    else {
      first.push(...some);
      if (first.length >= TELLING) summary = begun();
    }
  }
  return summary ?? begun();

  function begun(): Summary {
    const begin = new Summary(clockOf(first), inputs);
    for (const seen of first) begin.add(seen);
    return begin;
  }
}

/** What a report shows, gathered event by event in bounded memory. A label holds until the track's next event. */
export class Summary {
  readonly clock: Clock;
  readonly inputs: readonly string[];
  /** Those of the models in their order, then others as they come. */
  readonly labels: string[] = [];
  readonly cameras = new Map<string, CameraDetail>();
  readonly timeline = new Timeline();
  /** Changes from a label to another, by their numbers. */
  readonly changes: number[][] = [];
  readonly models = new Set<string>();
  readonly purposes = new Set<string>();
  readonly retentions = new Set<string>();
  events = 0;
  tracks = 0;
  fromMs = Number.POSITIVE_INFINITY;
  toMs = Number.NEGATIVE_INFINITY;
  readonly #open = new Map<string, Open>();
  #candidates: TrackDetail[] = [];
  readonly #head: Shown[] = [];
  #tail: Shown[] = [];

  /** @param inputs their names; recordings of several are told apart by them */
  constructor(clock: Clock, inputs: readonly string[] = []) {
    this.clock = clock;
    this.inputs = inputs;
  }

  add(seen: Seen): void {
    const { data, timeMs } = seen;
    const atMs = this.clock === "media" ? data.mediaTimeMs : timeMs;
    this.events++;
    this.fromMs = Math.min(this.fromMs, atMs);
    this.toMs = Math.max(this.toMs, atMs);
    this.#note(data);
    const [name, camera] = this.#cameraOf(seen);
    camera.events++;
    const label = this.#labelOf(data.label);
    this.#remember({
      atMs,
      camera: name,
      track: data.track,
      kind: data.kind,
      label: this.labels[label] ?? OTHER,
      confidence: data.confidence,
    });
    const key = `${data.track} ${name}`;
    let open = this.#open.get(key);
    if (open && !goesOn(open, seen)) open = undefined;
    if (open) {
      this.#hold(open, atMs, camera);
      if (open.label !== label) this.#change(open.label, label);
    } else {
      camera.tracks++;
      open = this.#begin(name, seen, label, atMs);
    }
    this.#open.delete(key); // and back at the end: the first of the map is the one longest unheard of
    if (data.kind === "left") return;
    open.label = label;
    open.atMs = Math.max(open.atMs, atMs);
    open.box = data.relativeBox;
    open.input = seen.input;
    this.#open.set(key, open);
    if (this.#open.size > MOST_OPEN) this.#open.delete(this.#open.keys().next().value ?? "");
  }

  /** Those longest in view, by when they came. */
  longestTracks(): TrackDetail[] {
    return [...this.#candidates]
      .sort((a, b) => b.totalMs - a.totalMs)
      .slice(0, SHOWN_TRACKS)
      .sort((a, b) => a.fromMs - b.fromMs || a.track - b.track);
  }

  /** The first and the last events: all of them where they are few. */
  table(): Shown[] {
    return [...this.#head, ...this.#tail.slice(-TABLE_END)];
  }

  /** Milliseconds with each label, by its number. */
  totals(): number[] {
    const totals = this.labels.map(() => 0);
    for (const { ms } of this.timeline.entries())
      ms.forEach((value, label) => {
        totals[label] = (totals[label] ?? 0) + (value ?? 0);
      });
    return totals;
  }

  #note({ model, purpose, retention, probabilities }: Seen["data"]): void {
    const name = `${model?.name ?? ""} ${model?.version ?? ""}`.trim();
    if (name && !this.models.has(name) && this.models.size < MOST_NOTES) {
      this.models.add(cut(name));
      for (const label of Object.keys(probabilities)) this.#labelOf(label);
    }
    if (typeof purpose === "string" && this.purposes.size < MOST_NOTES) this.purposes.add(cut(purpose));
    if (typeof retention === "string" && this.retentions.size < MOST_NOTES)
      this.retentions.add(cut(retention));
  }

  #remember(shown: Shown): void {
    if (this.#head.length < TABLE_END) this.#head.push(shown);
    else this.#tail.push(shown);
    if (this.#tail.length >= 2 * TABLE_END) this.#tail = this.#tail.slice(-TABLE_END);
  }

  #labelOf(name: string): number {
    const short = cut(name);
    const at = this.labels.indexOf(short);
    if (at >= 0) return at;
    if (this.labels.length < MOST_LABELS) return this.labels.push(short) - 1;
    if (!this.labels.includes(OTHER)) this.labels.push(OTHER);
    return this.labels.indexOf(OTHER);
  }

  /** Cameras of two recordings' files may be called alike. */
  #cameraOf({ input, data: { camera, box, relativeBox } }: Seen): [string, CameraDetail] {
    const apart = this.clock === "media" && this.inputs.length > 1;
    let name = cut(apart ? `${this.inputs[input] ?? ""} ${camera}` : camera);
    if (!this.cameras.has(name) && this.cameras.size >= MOST_CAMERAS) name = OTHER;
    let detail = this.cameras.get(name);
    if (!detail) {
      const aspect = (box.width * relativeBox.height) / (box.height * relativeBox.width);
      detail = {
        timeline: new Timeline(),
        events: 0,
        tracks: 0,
        totalMs: 0,
        aspect: aspect >= 0.25 && aspect <= 4 ? aspect : COLUMNS / ROWS,
        heat: new Float64Array(COLUMNS * ROWS),
      };
      this.cameras.set(name, detail);
    }
    return [name, detail];
  }

  #begin(camera: string, { input, timeMs, data }: Seen, label: number, atMs: number): Open {
    this.tracks++;
    const { track, mediaTimeMs, relativeBox } = data;
    const detail = { camera, track, timeline: new Timeline(), totalMs: 0, fromMs: atMs, toMs: atMs };
    this.#candidates.push(detail);
    if (this.#candidates.length > 2 * MOST_CANDIDATES)
      this.#candidates = this.#candidates.sort((a, b) => b.totalMs - a.totalMs).slice(0, MOST_CANDIDATES);
    return { detail, label, atMs, box: relativeBox, input, clocksMs: timeMs - mediaTimeMs };
  }

  #hold({ detail, atMs, label, box }: Open, toMs: number, camera: CameraDetail): void {
    const ms = toMs - atMs;
    if (ms <= 0) return;
    this.timeline.add(label, atMs, toMs);
    detail.timeline.add(label, atMs, toMs);
    detail.totalMs += ms;
    detail.toMs = toMs;
    camera.timeline.add(label, atMs, toMs);
    camera.totalMs += ms;
    cover(camera.heat, box, ms);
  }

  #change(from: number, to: number): void {
    const row = this.changes[from] ?? [];
    row[to] = (row[to] ?? 0) + 1;
    this.changes[from] = row;
  }
}

/** Whether it tells of the same face, or of another run that was written behind the first. */
function goesOn({ input, clocksMs }: Open, { input: now, timeMs, data }: Seen): boolean {
  if (data.kind === "appeared") return false;
  return now === input || Math.abs(timeMs - data.mediaTimeMs - clocksMs) <= SAME_RUN_MS;
}

function cut(name: string): string {
  return name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME - 1)}…` : name;
}

/** Adds `ms` to every cell that the box touches. */
function cover(heat: Float64Array, box: Seen["data"]["relativeBox"], ms: number): void {
  const cell = (at: number, of: number) => Math.max(0, Math.min(of - 1, Math.floor(at * of)));
  const right = cell(box.x + box.width, COLUMNS);
  const bottom = cell(box.y + box.height, ROWS);
  for (let y = cell(box.y, ROWS); y <= bottom; y++)
    for (let x = cell(box.x, COLUMNS); x <= right; x++)
      heat[y * COLUMNS + x] = (heat[y * COLUMNS + x] ?? 0) + ms;
}
