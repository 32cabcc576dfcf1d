import type { Clock } from "./clock.js";
import { cut } from "./format.js";
import type { Seen } from "./read.js";
import { clocksOf, type Position, rotated } from "./run.js";
import { Timeline } from "./timeline.js";

const MOST_CAMERAS = 200;
const OTHER = "(other)";
/** Columns of a heat map. */
export const COLUMNS = 48;
export const ROWS = 27;

export interface CameraDetail {
  /** Display name: as much of recording, pipeline and source as distinguishes it from others. */
  name: string;
  /** Input in which its run started; `undefined` for the combined rest beyond the limit. */
  readonly input: number | undefined;
  readonly pipeline: string;
  readonly source: string;
  readonly timeline: Timeline;
  events: number;
  tracks: number;
  totalMs: number;
  /** Frame width divided by height. */
  readonly aspect: number;
  /** Milliseconds that a face covered each cell, row by row. */
  readonly heat: Float64Array;
}

interface Place {
  readonly camera: CameraDetail;
  /** A key per camera, even for cameras combined into the rest. */
  readonly place: string;
}

/** A source of a pipeline, and the position of its last event. */
interface Source extends Position {
  readonly pipeline: string;
  /** The input in which its run started, and the one read last. */
  began: number;
  last: number;
  /** By the input in which a run started. */
  readonly places: Map<number, Place>;
}

/** The cameras of all pipelines, on a recording's clock per recording. Beyond a limit, the rest count as one. */
export class Cameras {
  readonly all: CameraDetail[] = [];
  readonly #inputs: readonly string[];
  /** Whether times of several inputs are unrelated. */
  readonly #apart: boolean;
  /** By source id (mostly of one pipeline), so that no key needs to be built for each event. */
  readonly #sources = new Map<string, Source[]>();
  #rest: CameraDetail | undefined;

  constructor(clock: Clock, inputs: readonly string[]) {
    this.#inputs = inputs;
    this.#apart = clock === "media" && inputs.length > 1;
  }

  of(seen: Seen): Place {
    const source = this.#sourceOf(seen);
    if (!source) return this.#restOf(seen);
    const input = this.#apart ? inputOf(source, seen) : 0;
    const known = source.places.get(input);
    if (known) return known;
    if (this.all.length >= MOST_CAMERAS) return this.#restOf(seen);
    const added = { camera: this.#add(input, seen.data), place: String(this.all.length) };
    source.places.set(input, added);
    return added;
  }

  #sourceOf(seen: Seen): Source | undefined {
    const id = cut(seen.data.camera);
    const pipeline = cut(seen.data.pipeline);
    const alike = this.#sources.get(id) ?? [];
    const known = alike.find((source) => source.pipeline === pipeline);
    if (known || this.all.length >= MOST_CAMERAS) return known;
    const { input } = seen;
    const source = {
      clocksMs: clocksOf(seen),
      mediaTimeMs: seen.data.mediaTimeMs,
      pipeline,
      began: input,
      last: input,
      places: new Map<number, Place>(),
    };
    this.#sources.set(id, [...alike, source]);
    return source;
  }

  #restOf({ data }: Seen): Place {
    this.#rest ??= this.#add(undefined, data);
    return { camera: this.#rest, place: `${cut(data.pipeline)}\n${cut(data.camera)}` };
  }

  #add(input: number | undefined, data: Seen["data"]): CameraDetail {
    const camera: CameraDetail = {
      name: OTHER,
      input,
      pipeline: cut(data.pipeline),
      source: cut(data.camera),
      timeline: new Timeline(),
      events: 0,
      tracks: 0,
      totalMs: 0,
      aspect: aspectOf(data),
      heat: new Float64Array(COLUMNS * ROWS),
    };
    this.all.push(camera);
    this.#name();
    return camera;
  }

  /** Adds the input if there are several, and the pipeline if two names would be equal. */
  #name(): void {
    const told = this.all.filter(({ input }) => input !== undefined);
    const several = new Set(told.map(({ input }) => input)).size > 1;
    const inputOf = ({ input = 0 }: CameraDetail) => (several ? [this.#inputs[input] ?? ""] : []);
    const shortOf = (camera: CameraDetail) => [...inputOf(camera), camera.source].join(" ");
    const alike = new Map<string, number>();
    for (const camera of told) alike.set(shortOf(camera), (alike.get(shortOf(camera)) ?? 0) + 1);
    for (const camera of told) {
      const short = shortOf(camera);
      const long = [...inputOf(camera), camera.pipeline, camera.source].join(" ");
      camera.name = cut(alike.get(short) === 1 ? short : long);
    }
  }
}

/** The input in which the event's run started: a rotated file continues the previous one. */
function inputOf(source: Source, seen: Seen): number {
  const { input } = seen;
  if (source.last !== input && !rotated(source, seen)) source.began = input;
  source.last = input;
  source.clocksMs = clocksOf(seen);
  source.mediaTimeMs = seen.data.mediaTimeMs;
  return source.began;
}

function aspectOf({ box, relativeBox }: Seen["data"]): number {
  const aspect = (box.width * relativeBox.height) / (box.height * relativeBox.width);
  return aspect >= 0.25 && aspect <= 4 ? aspect : COLUMNS / ROWS;
}
