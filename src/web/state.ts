import { type Colour, coloursOf } from "../events/palette.js";
import type { CameraFigures, ListedEvent, Point, ServerMessage } from "../sinks/web/protocol.js";

/** How long a face that is no longer seen counts as in view, in media time, ms. */
export const GONE_MS = 1500;
/** How far back timelines reach at most, ms. */
const KEPT_MS = 300_000;
const MAX_EVENTS = 200;

/** One face over time, as columns. */
export interface Track {
  readonly key: string;
  readonly camera: number;
  readonly number: number;
  /** Media time of each point, ms. */
  times: number[];
  /** Index of the label at each point; -1: none. */
  labels: number[];
  /** Probabilities at each point, thousandths. */
  chances: (readonly number[])[];
  /** Media time at which the current label started. */
  sinceMs: number;
}

export interface Camera {
  readonly id: string;
  readonly live: boolean;
  /** The newest media time known, ms. */
  nowMs: number;
  fps: number;
  figures: CameraFigures | undefined;
}

/** Everything received from the server. */
export class State {
  pipeline = "";
  run = "";
  cameras: Camera[] = [];
  labels: readonly string[] = [];
  colours: readonly Colour[] = [];
  readonly tracks = new Map<string, Track>();
  /** Newest first. */
  events: ListedEvent[] = [];
  totals: Extract<ServerMessage, { type: "figures" }> | undefined;
  #figuresMs = 0;

  /** Applies a message; true if it starts a new session. */
  take(message: ServerMessage): boolean {
    if (message.type === "hello") {
      this.pipeline = message.pipeline;
      this.run = message.run;
      this.cameras = message.cameras.map((camera) => ({ ...camera, nowMs: 0, fps: 0, figures: undefined }));
      this.#name(message.labels);
      this.tracks.clear();
      this.#addPoints(message.points);
      this.events = message.events.toReversed();
      this.totals = undefined;
      return true;
    }
    if (message.type === "labels") this.#name(message.labels);
    else if (message.type === "points") this.#addPoints(message.points);
    else if (message.type === "events")
      this.events = [...message.events.toReversed(), ...this.events].slice(0, MAX_EVENTS);
    else if (message.type === "figures") this.#count(message);
    else for (const camera of this.cameras) camera.fps = 0;
    return false;
  }

  /** The faces in view, by camera and number. A disconnected camera, whose time stands still, sees nobody. */
  get present(): Track[] {
    return [...this.tracks.values()].filter(({ camera, times }) => {
      const { nowMs = 0, figures } = this.cameras[camera] ?? {};
      return figures?.state !== "reconnecting" && nowMs - (times.at(-1) ?? 0) <= GONE_MS;
    });
  }

  #name(labels: readonly string[]): void {
    this.labels = labels;
    this.colours = coloursOf(labels);
  }

  #addPoints(points: readonly Point[]): void {
    for (const [camera = 0, number = 0, atMs = 0, label = -1, ...chances] of points) {
      const key = `${camera} ${number}`;
      let track = this.tracks.get(key);
      if (!track) {
        track = { key, camera, number, times: [], labels: [], chances: [], sinceMs: atMs };
        this.tracks.set(key, track);
      }
      if (atMs <= (track.times.at(-1) ?? -1)) continue;
      if (label !== track.labels.at(-1)) track.sinceMs = atMs;
      track.times.push(atMs);
      track.labels.push(label);
      track.chances.push(chances);
      const known = this.cameras[camera];
      if (known) known.nowMs = Math.max(known.nowMs, atMs);
    }
    this.#forget();
  }

  #forget(): void {
    for (const [key, track] of this.tracks) {
      const oldest = (this.cameras[track.camera]?.nowMs ?? 0) - KEPT_MS;
      if ((track.times.at(-1) ?? 0) < oldest) this.tracks.delete(key);
      else if ((track.times[0] ?? 0) < oldest - KEPT_MS / 10) {
        const from = track.times.findIndex((atMs) => atMs >= oldest);
        track.times = track.times.slice(from);
        track.labels = track.labels.slice(from);
        track.chances = track.chances.slice(from);
      }
    }
  }

  #count(message: Extract<ServerMessage, { type: "figures" }>): void {
    // By the server's clock: two messages may arrive together.
    const elapsed = (message.atMs - this.#figuresMs) / 1000;
    for (const [i, figures] of message.cameras.entries()) {
      const camera = this.cameras[i];
      if (!camera) continue;
      if (camera.figures && elapsed > 0.2) {
        const rate = (figures.decoded - camera.figures.decoded) / elapsed;
        camera.fps = camera.fps === 0 ? rate : camera.fps + 0.5 * (rate - camera.fps);
      }
      camera.figures = figures;
      camera.nowMs = Math.max(camera.nowMs, figures.mediaTimeMs);
    }
    this.#figuresMs = message.atMs;
    this.totals = message;
  }
}
