import { type CameraDetail, Cameras, COLUMNS, ROWS } from "./cameras.js";
import { type Clock, clockOf } from "./clock.js";
import { Ends, type Shown } from "./ends.js";
import { cut } from "./format.js";
import type { Seen } from "./read.js";
import { clocksOf, sameRun, sameStart } from "./run.js";
import { Timeline } from "./timeline.js";
import { type Open, type TrackDetail, Tracks } from "./tracks.js";

/** Limits of what is stored, whatever the events contain. */
const MOST_LABELS = 24;
const MOST_NOTES = 8;
const OTHER = "(other)";
/** Number of events needed to distinguish a recording from a camera. */
const TELLING = 200;

/** Reads all events into a summary; unless a clock is given, the first events determine it. */
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

/** Milliseconds in view, or number of faces, by label index. */
export interface Shares {
  readonly of: "time" | "faces";
  readonly amounts: readonly number[];
}

/** Explains shares of faces. */
export const FACES_ONLY = "Each face was seen at a single moment, so shares are of faces, not of time";

/** The contents of a report, collected event by event in bounded memory. A label lasts until the track's next event. */
export class Summary {
  readonly clock: Clock;
  readonly inputs: readonly string[];
  /** Labels of the models in their order, then others in order of appearance. */
  readonly labels: string[] = [];
  readonly timeline = new Timeline();
  /** Number of changes from one label to another, by index. */
  readonly changes: number[][] = [];
  readonly models = new Set<string>();
  readonly purposes = new Set<string>();
  readonly retentions = new Set<string>();
  events = 0;
  tracks = 0;
  fromMs = Number.POSITIVE_INFINITY;
  toMs = Number.NEGATIVE_INFINITY;
  readonly #cameras: Cameras;
  readonly #tracks = new Tracks();
  readonly #ends = new Ends();
  /** Number of tracks by their first label. */
  readonly #faces: number[] = [];

  /** @param inputs names of the inputs, which distinguish recordings if there are several */
  constructor(clock: Clock, inputs: readonly string[] = []) {
    this.clock = clock;
    this.inputs = inputs;
    this.#cameras = new Cameras(clock, inputs);
  }

  get cameras(): readonly CameraDetail[] {
    return this.#cameras.all;
  }

  add(seen: Seen): void {
    const { data, timeMs } = seen;
    const { track, kind, confidence } = data;
    const atMs = this.clock === "media" ? data.mediaTimeMs : timeMs;
    this.events++;
    this.fromMs = Math.min(this.fromMs, atMs);
    this.toMs = Math.max(this.toMs, atMs);
    this.#note(data);
    const { camera, place } = this.#cameras.of(seen);
    camera.events++;
    const label = this.#labelOf(data.label);
    this.#ends.add({ atMs, camera, track, kind, label: this.labels[label] ?? OTHER, confidence });
    const key = `${track} ${place}`;
    const known = this.#known(key, seen);
    if (known) this.#goOn(known, seen, label, atMs);
    const open = known ?? this.#begin(key, seen, camera, label, atMs);
    if (kind === "left") this.#tracks.close(key, open);
  }

  /** The tracks longest in view, ordered by when they appeared. */
  longestTracks(): TrackDetail[] {
    return this.#tracks.longest();
  }

  /** The first and last events; all if there are few. */
  table(): Shown[] {
    return this.#ends.rows();
  }

  /** How long faces were in view, ms. */
  get inViewMs(): number {
    return this.cameras.reduce((sum, { totalMs }) => sum + totalMs, 0);
  }

  /** Shares by time, or by faces if no face was in view for any time, as in still images. */
  shares(): Shares {
    if (this.inViewMs === 0) return { of: "faces", amounts: this.labels.map((_, i) => this.#faces[i] ?? 0) };
    const amounts = this.labels.map(() => 0);
    for (const { ms } of this.timeline.entries())
      ms.forEach((value, label) => {
        amounts[label] = (amounts[label] ?? 0) + (value ?? 0);
      });
    return { of: "time", amounts };
  }

  #note({ model, purpose, retention, probabilities }: Seen["data"]): void {
    const name = [model?.name, model?.version].filter((part) => typeof part === "string").join(" ");
    if (name && !this.models.has(name) && this.models.size < MOST_NOTES) {
      this.models.add(cut(name));
      for (const label of Object.keys(probabilities)) this.#labelOf(label);
    }
    if (typeof purpose === "string" && this.purposes.size < MOST_NOTES) this.purposes.add(cut(purpose));
    if (typeof retention === "string" && this.retentions.size < MOST_NOTES)
      this.retentions.add(cut(retention));
  }

  #labelOf(name: string): number {
    const short = cut(name);
    const at = this.labels.indexOf(short);
    if (at >= 0) return at;
    if (this.labels.length < MOST_LABELS) return this.labels.push(short) - 1;
    if (!this.labels.includes(OTHER)) this.labels.push(OTHER);
    return this.labels.indexOf(OTHER);
  }

  /** The track that an event continues; none for an `appeared` event, even a repeated one. */
  #known(key: string, seen: Seen): Open | undefined {
    if (seen.data.kind !== "appeared") return this.#tracks.find(key, seen, sameRun);
    const before = this.#tracks.find(key, seen, sameStart);
    if (before) this.#tracks.close(key, before);
    return undefined;
  }

  #begin(key: string, seen: Seen, camera: CameraDetail, label: number, atMs: number): Open {
    const { track, relativeBox: box, mediaTimeMs } = seen.data;
    this.tracks++;
    camera.tracks++;
    this.#faces[label] = (this.#faces[label] ?? 0) + 1;
    const detail = { camera, track, timeline: new Timeline(), totalMs: 0, fromMs: atMs, toMs: atMs };
    const open = { detail, label, atMs, box, clocksMs: clocksOf(seen), mediaTimeMs };
    this.#tracks.open(key, open);
    return open;
  }

  #goOn(open: Open, seen: Seen, label: number, atMs: number): void {
    this.#hold(open, atMs);
    if (open.label !== label) this.#change(open.label, label);
    open.label = label;
    open.atMs = Math.max(open.atMs, atMs);
    open.box = seen.data.relativeBox;
    open.clocksMs = clocksOf(seen);
    open.mediaTimeMs = seen.data.mediaTimeMs;
  }

  #hold({ detail, atMs, label, box }: Open, toMs: number): void {
    const ms = toMs - atMs;
    if (ms <= 0) return;
    const { camera } = detail;
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

/** Adds `ms` to every cell the box touches. */
function cover(heat: Float64Array, box: Seen["data"]["relativeBox"], ms: number): void {
  const cell = (at: number, of: number) => Math.max(0, Math.min(of - 1, Math.floor(at * of)));
  const right = cell(box.x + box.width, COLUMNS);
  const bottom = cell(box.y + box.height, ROWS);
  for (let y = cell(box.y, ROWS); y <= bottom; y++)
    for (let x = cell(box.x, COLUMNS); x <= right; x++)
      heat[y * COLUMNS + x] = (heat[y * COLUMNS + x] ?? 0) + ms;
}
