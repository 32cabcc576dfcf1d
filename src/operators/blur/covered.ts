import { Observable, type OperatorFunction } from "rxjs";
import type { Box, FaceFrame } from "../../media/frame.js";
import { grown, iou } from "../geometry.js";

export interface CoverOptions {
  /** As a fraction of the box's size, on each side. */
  readonly margin: number;
  readonly lingerMs: number;
  /** Number of frames to hold back. */
  readonly ahead: number;
  /** Only these tracks; without it, every face. */
  readonly chosen?: ReadonlySet<number>;
}

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
      const subscription = input.subscribe({
        next: (item) => {
          const { source } = item.frame;
          let queue = queues.get(source);
          if (!queue) {
            queue = new Queue(options);
            queues.set(source, queue);
          }
          queue.push(item);
          while (queue.length > options.ahead) subscriber.next(queue.shift());
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          for (const queue of queues.values()) while (queue.length > 0) subscriber.next(queue.shift());
          subscriber.complete();
        },
      });
      return () => {
        subscription.unsubscribe();
        for (const queue of queues.values()) queue.release();
      };
    });
}

interface Seen {
  readonly mediaTimeMs: number;
  readonly boxes: readonly Box[];
}

/** The frames of one source that are held back, and where faces were seen. */
class Queue {
  readonly #options: CoverOptions;
  readonly #waiting: FaceFrame[] = [];
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
    const boxes = chosen
      ? faces.filter(({ track = 0 }) => chosen.has(track)).map(({ box }) => box)
      : [...faces.map(({ box }) => box), ...passedOver];
    this.#waiting.push(item);
    if (boxes.length > 0)
      this.#seen.push({
        mediaTimeMs: frame.mediaTimeMs,
        boxes: boxes.map((box) => grown(box, margin, frame)),
      });
  }

  /** Removes the oldest frame; there must be one. */
  shift(): Covered {
    const item = this.#waiting.shift();
    if (!item) throw new RangeError("no frame is held back");
    const since = item.frame.mediaTimeMs - this.#options.lingerMs;
    while ((this.#seen[0]?.mediaTimeMs ?? since) < since) this.#seen.shift();
    return { ...item, cover: joined(this.#seen) };
  }

  release(): void {
    for (const { frame } of this.#waiting.splice(0)) frame.release();
  }
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
