import { randomUUID } from "node:crypto";
import type { WebSocket } from "ws";
import type { EmotionEvent } from "../../events/event.js";
import type { FaceFrame } from "../../media/frame.js";
import type { RunContext } from "../../pipeline/context.js";
import { History } from "./history.js";
import type { WebOptions } from "./index.js";
import { encode, shrink } from "./picture.js";
import {
  type CameraFigures,
  type ListedEvent,
  type Point,
  PROTOCOL,
  packPicture,
  type ServerMessage,
} from "./protocol.js";
import { Viewer } from "./viewer.js";

/** Interval at which points and events are sent. */
const TELL_MS = 100;
/** Interval at which figures are sent. */
const FIGURES_MS = 1000;
/** Interval at which old entries are discarded, even without any page. */
const TRIM_MS = 10_000;
const PING_MS = 15_000;
/** How long a page has to receive the goodbye. */
const GOODBYE_MS = 200;

/** Sends everything to every page, and keeps the last minutes for pages opened later. Never waits for a page. */
export class Broadcast {
  readonly #options: { readonly fps: number; readonly maxSide: number; readonly quality: number };
  readonly #context: RunContext;
  readonly #history: History;
  readonly #run = randomUUID();
  readonly #viewers = new Set<Viewer>();
  readonly #timers: NodeJS.Timeout[];
  /** The newest frame that arrived here, by source. */
  readonly #newest = new Map<string, { readonly latencyMs: number; readonly mediaTimeMs: number }>();
  /** When the next picture may be made, by source; `performance.now()`. */
  readonly #nextMs = new Map<string, number>();
  #points: Point[] = [];
  #events: ListedEvent[] = [];
  #labels = 0;
  /** Sources with a picture being made or waiting for its turn. */
  readonly #making = new Set<string>();
  /** Settles when all pictures started so far have been sent. */
  #made: Promise<void> = Promise.resolve();
  /** Pixel buffers of sent pictures, for reuse. */
  readonly #spare: Uint8Array[] = [];

  constructor(options: WebOptions, context: RunContext) {
    const { fps = 12, maxSide = 960, quality = 75, history = 300_000 } = options;
    this.#options = { fps, maxSide, quality };
    this.#context = context;
    this.#history = new History(history);
    this.#timers = [
      setInterval(() => this.#tell(), TELL_MS),
      setInterval(() => this.#tellFigures(), FIGURES_MS),
      setInterval(() => this.#history.trim(), TRIM_MS),
      setInterval(() => {
        for (const viewer of this.#viewers) viewer.ping();
      }, PING_MS),
    ];
    for (const timer of this.#timers) timer.unref();
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  add(socket: WebSocket): void {
    const viewer = new Viewer(socket, () => {
      this.#viewers.delete(viewer);
      if (viewer.missed > 0)
        this.#context.log.debug(
          `${this.#context.id}: a page missed ${viewer.missed} frames due to a slow connection`,
        );
    });
    this.#tell(); // points not sent yet are in the history the new page gets
    this.#history.trim();
    viewer.tell({
      type: "hello",
      protocol: PROTOCOL,
      pipeline: this.#context.pipeline.name,
      run: this.#run,
      cameras: this.#context.stats.sources.map(({ id, live }) => ({ id, live })),
      labels: this.#history.labels,
      points: this.#history.points,
      events: this.#history.events,
    });
    viewer.tell(this.#figures());
    this.#viewers.add(viewer);
  }

  event(event: EmotionEvent): void {
    this.#events.push(this.#history.addEvent(event));
  }

  faces(item: FaceFrame): void {
    const { frame } = item;
    const camera = this.#context.stats.sources.findIndex(({ id }) => id === frame.source);
    const { mediaTimeMs } = frame;
    this.#newest.set(frame.source, { latencyMs: Date.now() - frame.wallTimeMs, mediaTimeMs });
    this.#points.push(...this.#history.addFaces(item, camera));
    if (this.#wanted(frame.source, camera)) this.#picture(item, camera);
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#tellFigures();
    this.#send({ type: "end" });
    if (this.#viewers.size === 0) return;
    for (const viewer of this.#viewers) viewer.close();
    const until = performance.now() + GOODBYE_MS;
    while (this.#viewers.size > 0 && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const viewer of this.#viewers) viewer.terminate();
  }

  #wanted(source: string, camera: number): boolean {
    if (this.#making.has(source) || performance.now() < (this.#nextMs.get(source) ?? 0)) return false;
    for (const viewer of this.#viewers) if (viewer.ready(camera)) return true;
    return false;
  }

  #picture(item: FaceFrame, camera: number): void {
    const { frame } = item;
    const { source } = frame;
    const { fps, maxSide, quality } = this.#options;
    // Relative to when it was due: relative to now, a camera with 25 fps would be shown at 8 fps instead of 12.
    const due = this.#nextMs.get(source) ?? 0;
    this.#nextMs.set(source, Math.max(due + 1000 / fps, performance.now()));
    // Copies what is needed of the frame now, so that its slot is returned at once, however long encoding takes.
    const { range, matrix } =
      this.#context.stats.sources.find(({ id }) => id === source)?.video?.colour ?? {};
    const small = shrink(frame, maxSide, this.#spare.pop(), range, matrix);
    const head = {
      camera,
      sequence: frame.sequence,
      mediaTimeMs: Math.round(frame.mediaTimeMs),
      width: frame.width,
      height: frame.height,
      faces: this.#history.seen(item),
    };
    // One at a time, so that pictures use at most one core; each camera has at most one waiting, so that cameras
    // whose frames come first do not take the turns of others.
    this.#making.add(source);
    this.#made = this.#made
      .then(() => encode(small, quality))
      .then((jpeg) => {
        const message = packPicture(head, jpeg);
        this.#tell();
        for (const viewer of this.#viewers) viewer.show(camera, message);
      })
      .catch((error: unknown) =>
        this.#context.log.warn(`${this.#context.id}: a frame could not be encoded: ${String(error)}`),
      )
      .finally(() => {
        this.#making.delete(source);
        this.#spare.push(small.rgb);
      });
  }

  /**
   * Sends what pages have not been told yet. Goes ahead of everything with a newer media time: a page takes a face
   * without points up to that time for one that has left, and a recording may run many times faster than it plays.
   */
  #tell(): void {
    this.#tellLabels();
    if (this.#points.length > 0) this.#send({ type: "points", points: this.#points });
    if (this.#events.length > 0) this.#send({ type: "events", events: this.#events });
    this.#points = [];
    this.#events = [];
  }

  #tellFigures(): void {
    this.#tell();
    this.#send(this.#figures());
  }

  /** Labels only become known with classified faces; pages must know a label's name before its number. */
  #tellLabels(): void {
    const { labels } = this.#history;
    if (labels.length === this.#labels) return;
    this.#labels = labels.length;
    this.#send({ type: "labels", labels });
  }

  #figures(): ServerMessage {
    const { stats, occupancy } = this.#context;
    return {
      type: "figures",
      atMs: Math.round(performance.now()),
      cameras: stats.sources.map((source): CameraFigures => {
        const { id, state, decoded, dropped, reconnects, durationMs } = source;
        const { latencyMs = 0, mediaTimeMs = 0 } = this.#newest.get(id) ?? {};
        return {
          state,
          decoded,
          dropped,
          reconnects,
          mediaTimeMs: Math.round(mediaTimeMs),
          ...(durationMs !== undefined && { durationMs }),
          latencyMs: Math.round(latencyMs),
        };
      }),
      faces: stats.faces,
      events: stats.events,
      queue: occupancy.leased,
      viewers: this.#viewers.size,
    };
  }

  #send(message: ServerMessage): void {
    if (this.#viewers.size === 0) return;
    const text = JSON.stringify(message);
    for (const viewer of this.#viewers) viewer.tell(text);
  }
}
