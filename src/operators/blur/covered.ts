import { Observable, type OperatorFunction } from "rxjs";
import type { Box, FaceFrame, Frame } from "../../media/frame.js";
import { grown, iou } from "../geometry.js";

export interface CoverOptions {
  /** As a fraction of the box's size, on each side. */
  readonly margin: number;
  readonly lingerMs: number;
  /** Number of frames to hold back. */
  readonly ahead: number;
  /** Only these tracks; without it, every face. */
  readonly chosen?: ReadonlySet<number>;
  /** Whether a source has ended, or is a camera that is away. */
  readonly isAway: (source: string) => boolean;
}

/** How long after its last frame nothing more is on its way from a source that is away, in ms. */
const SILENT_MS = 5000;

/** A frame, its faces, and the areas to hide in it. */
export interface Covered extends FaceFrame {
  readonly cover: readonly Box[];
}

/**
 * Holds back `ahead` frames of each source, and passes each on with the boxes, grown by the margin, of the faces in it
 * (including those that `track` did not pass on), in the later frames known so far, and in earlier frames that are at
 * most `lingerMs` older.
 */
export function covered(options: CoverOptions): OperatorFunction<FaceFrame, Covered> {
  return (input) =>
    new Observable<Covered>((subscriber) => {
      const queues = new Map<string, Queue>();
      const pass = (queue: Queue, left: number) => {
        while (queue.length > left) subscriber.next(queue.shift());
      };
      // While other sources continue, nothing else indicates that no more frames of this one come. Once `events` has let
      // its faces leave, frames that were held back would bring them back.
      const leaving = setInterval(() => {
        for (const [source, queue] of queues)
          if (performance.now() - queue.lastAtMs > SILENT_MS && options.isAway(source)) pass(queue, 0);
      }, 1000).unref();
      const subscription = input.subscribe({
        next: (item) => {
          const { source } = item.frame;
          let queue = queues.get(source);
          if (!queue) {
            queue = new Queue(options);
            queues.set(source, queue);
          }
          queue.push(item);
          pass(queue, options.ahead);
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          for (const queue of queues.values()) pass(queue, 0);
          subscriber.complete();
        },
      });
      return () => {
        clearInterval(leaving);
        subscription.unsubscribe();
        for (const queue of queues.values()) queue.release();
      };
    });
}

interface Seen {
  readonly mediaTimeMs: number;
  readonly boxes: readonly Box[];
}

/** A frame that is held back. */
interface Waiting {
  readonly item: FaceFrame;
  /** Where faces to hide are in it, and where others are that `track` does not know yet. */
  readonly boxes: readonly Box[];
  readonly others: readonly Box[];
  /** Where faces may be in it that were found before and after it. */
  readonly between: Box[];
}

/** The frames of one source that are held back, and where faces were seen. */
class Queue {
  /** When its last frame arrived. */
  lastAtMs = 0;
  readonly #options: CoverOptions;
  readonly #waiting: Waiting[] = [];
  readonly #seen: Seen[] = [];

  constructor(options: CoverOptions) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  push(item: FaceFrame): void {
    const { margin, chosen } = this.#options;
    const { frame, faces, passedOver = [] } = item;
    this.lastAtMs = performance.now();
    const boxes = chosen
      ? faces.filter(({ track = 0 }) => chosen.has(track)).map(({ box }) => box)
      : [...faces.map(({ box }) => box), ...passedOver];
    for (const box of boxes) this.#trace(box, boxes, frame);
    this.#waiting.push({ item, boxes, others: chosen ? passedOver : [], between: [] });
    if (boxes.length > 0)
      this.#seen.push({
        mediaTimeMs: frame.mediaTimeMs,
        boxes: boxes.map((box) => grown(box, margin, frame)),
      });
  }

  /** Removes the oldest frame; there must be one. */
  shift(): Covered {
    const next = this.#waiting.shift();
    if (!next) throw new RangeError("no frame is held back");
    const { item, between } = next;
    const since = item.frame.mediaTimeMs - this.#options.lingerMs;
    while ((this.#seen[0]?.mediaTimeMs ?? since) < since) this.#seen.shift();
    return { ...item, cover: [...joined(this.#seen), ...between] };
  }

  release(): void {
    for (const { item } of this.#waiting.splice(0)) item.frame.release();
  }

  /**
   * A face that was not found right before `box` may be one that was lost somewhere else: hides the way between in the
   * frames between, which are held back. Neither place covers that way if the face moves fast.
   */
  #trace(box: Box, found: readonly Box[], frame: Frame): void {
    const { margin } = this.#options;
    const newer = [...found];
    let to = box;
    let toward = this.#waiting.length;
    for (let i = toward - 1; i >= 0; i--) {
      const waiting = this.#waiting[i];
      if (!waiting) return;
      const here = [...waiting.boxes, ...waiting.others];
      const from =
        here.find((one) => iou(one, to) > SAME_FACE) ??
        nearest(
          here.filter((one) => !newer.some((other) => iou(one, other) > SAME_FACE)),
          to,
          toward - i,
        );
      newer.push(...here);
      if (!from) continue;
      const way = around(grown(from, margin, frame), grown(to, margin, frame));
      for (const { between } of this.#waiting.slice(i + 1, toward)) between.push(way);
      if (waiting.boxes.includes(from)) return; // what was before it has been looked at
      waiting.between.push(grown(from, margin, frame));
      to = from;
      toward = i;
    }
  }
}

/** A face whose size differs by more than this ratio is another one. */
const MAX_SIZE_RATIO = 2;

/** The closest box that a face can have come from in so many frames: by at most its width in each. */
function nearest(boxes: readonly Box[], to: Box, frames: number): Box | undefined {
  const near = boxes
    .filter(({ width }) => Math.max(width / to.width, to.width / width) <= MAX_SIZE_RATIO)
    .map((box) => ({ box, distance: distance(box, to) }))
    .filter((one) => one.distance <= frames * to.width)
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.box;
}

function distance(a: Box, b: Box): number {
  return Math.hypot(a.x + a.width / 2 - b.x - b.width / 2, a.y + a.height / 2 - b.y - b.height / 2);
}

/** Boxes that overlap by more than this belong to one face and are hidden together, with what lies between them. */
const SAME_FACE = 0.3;

function joined(seen: readonly Seen[]): Box[] {
  const places: Box[] = [];
  for (const box of seen.flatMap(({ boxes }) => boxes)) {
    const i = places.findIndex((place) => iou(place, box) > SAME_FACE);
    const place = places[i];
    if (place) places[i] = around(place, box);
    else places.push(box);
  }
  return places;
}

function around(a: Box, b: Box): Box {
  const [x, y] = [Math.min(a.x, b.x), Math.min(a.y, b.y)];
  return {
    x,
    y,
    width: Math.max(a.x + a.width, b.x + b.width) - x,
    height: Math.max(a.y + a.height, b.y + b.height) - y,
  };
}
