import { Observable, type OperatorFunction, type Subscriber } from "rxjs";
import type { Face, FaceFrame } from "../media/frame.js";
import type { Occupancy } from "../pipeline/context.js";
import { MOST_TIMER_MS } from "../timer.js";

export interface BatchSettings {
  /** Crops per batch. */
  readonly size: number;
  /** Longest time that a crop waits for its batch to fill, in ms. */
  readonly maxWaitMs: number;
  /**
   * Sources whose frames give their slots back once their faces are cropped. Only recordings, and only if nothing
   * afterwards needs the pixels: with a camera, having few slots keeps what is shown fresh.
   */
  readonly early: ReadonlySet<string>;
  /** Frames that later operators may hold back until more arrive; default 0. */
  readonly heldBack?: number;
}

/** What the batcher needs from an engine: crop faces into a batch one by one, then run the batch. */
export interface FaceBatch {
  /** Crops a face from its frame, to place `at` of the batch being filled. */
  cut(item: FaceFrame, face: Face, at: number): void;
  /** Runs the first `count` places, with one result each. They may be overwritten as soon as this has returned. */
  run(count: number): Promise<readonly Partial<Face>[]>;
}

interface Entry {
  item: FaceFrame;
  readonly faces: Face[];
  /** Faces still to be cropped. */
  uncut: number;
  /** Faces still waiting for their result. */
  open: number;
  /** Whether it still holds its frame's slot. */
  leased: boolean;
}

interface Place {
  readonly entry: Entry;
  /** Index of the face in the entry. */
  readonly index: number;
  readonly sinceMs: number;
}

/** Frames that may wait for their turn without a slot. The limit keeps a recording's queue bounded. */
const MAX_WITHOUT_SLOT = 512;

/**
 * Gathers faces from all sources into batches. A batch runs when it is full, when its oldest crop has waited
 * `maxWaitMs`, or when nothing more can come because every frame waits here or is held back later; one batch at a time,
 * while the next one fills. Frames leave in source order.
 */
export function batched(
  settings: BatchSettings,
  batch: FaceBatch,
  occupancy: Occupancy,
): OperatorFunction<FaceFrame, FaceFrame> {
  return (input) =>
    new Observable<FaceFrame>((subscriber) => {
      const batcher = new Batcher(settings, batch, occupancy, subscriber);
      const stopListening = occupancy.onChange(() => batcher.occupancyChanged());
      const subscription = input.subscribe({
        next: (item) => {
          try {
            batcher.take(item);
          } catch (error) {
            subscriber.error(error); // RxJS would let it end the process
          }
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => batcher.end(),
      });
      return () => {
        stopListening();
        subscription.unsubscribe();
        batcher.close();
      };
    });
}

class Batcher {
  readonly #settings: BatchSettings;
  readonly #batch: FaceBatch;
  readonly #occupancy: Occupancy;
  readonly #out: Subscriber<FaceFrame>;
  /** Frames in source order, by source. */
  readonly #queues = new Map<string, Entry[]>();
  /** Faces in the batch being filled. */
  #filling: Place[] = [];
  /** Faces that did not fit into it. */
  readonly #waiting: Place[] = [];
  /** Frames held here. */
  #held = 0;
  /** Frames held here with their slot. */
  #leased = 0;
  #running = false;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(settings: BatchSettings, batch: FaceBatch, occupancy: Occupancy, out: Subscriber<FaceFrame>) {
    this.#settings = settings;
    this.#batch = batch;
    this.#occupancy = occupancy;
    this.#out = out;
  }

  take(item: FaceFrame): void {
    const { source } = item.frame;
    const queue = this.#queues.get(source) ?? [];
    this.#queues.set(source, queue);
    const count = item.faces.length;
    const entry: Entry = { item, faces: [...item.faces], uncut: count, open: count, leased: true };
    queue.push(entry);
    this.#held++;
    this.#leased++;
    const sinceMs = performance.now();
    for (const index of item.faces.keys()) this.#waiting.push({ entry, index, sinceMs });
    if (count === 0 && queue.length > 1) this.#giveBack(entry);
    this.#fill();
    if (count === 0) this.#emit(queue);
    this.#consider();
  }

  occupancyChanged(): void {
    if (this.#due()) this.#consider();
  }

  /** No more frames come. */
  end(): void {
    this.#ended = true;
    if (this.#held === 0) this.#out.complete();
    else this.#consider();
  }

  /** Releases all frames. Crops are copies: the engine may still be working on them. */
  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.length = 0;
    this.#filling = [];
    for (const queue of this.#queues.values())
      for (const entry of queue.splice(0)) entry.item.frame.release();
    this.#held = 0;
    this.#leased = 0;
  }

  #fill(): void {
    while (this.#filling.length < this.#settings.size) {
      const place = this.#waiting.shift();
      const face = place?.entry.faces[place.index];
      if (!place || !face) break;
      this.#batch.cut(place.entry.item, face, this.#filling.length);
      this.#filling.push(place);
      if (--place.entry.uncut === 0) this.#giveBack(place.entry);
    }
  }

  /** Called when the frame's pixels are no longer needed. */
  #giveBack(entry: Entry): void {
    const { source } = entry.item.frame;
    if (!this.#settings.early.has(source) || this.#held - this.#leased >= MAX_WITHOUT_SLOT) return;
    entry.leased = false;
    this.#leased--;
    entry.item = { ...entry.item, frame: entry.item.frame.withoutPixels() };
  }

  /** Runs the batch if it is due; otherwise sets the timer for it. */
  #consider(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const oldest = this.#filling[0];
    if (this.#out.closed || this.#running || !oldest) return;
    if (this.#due()) {
      void this.#run();
      return;
    }
    const waitMs = this.#settings.maxWaitMs - (performance.now() - oldest.sinceMs);
    this.#timer = setTimeout(() => this.#consider(), Math.min(MOST_TIMER_MS, Math.max(1, waitMs)));
  }

  #due(): boolean {
    const oldest = this.#filling[0];
    if (!oldest || this.#running) return false;
    if (this.#filling.length >= this.#settings.size || this.#ended) return true;
    const { exhausted, leased } = this.#occupancy;
    const { heldBack = 0 } = this.#settings;
    if (this.#leased > 0 && exhausted && leased <= this.#leased + heldBack) return true;
    return performance.now() - oldest.sinceMs >= this.#settings.maxWaitMs;
  }

  async #run(): Promise<void> {
    this.#running = true;
    const taken = this.#filling;
    this.#filling = [];
    try {
      const results = this.#batch.run(taken.length);
      results.catch(() => {}); // nobody awaits them if a face of the next batch cannot be cropped
      this.#fill();
      for (const [i, result] of (await results).entries()) if (taken[i]) settle(taken[i], result);
    } catch (error) {
      for (const { entry } of taken) entry.open = 0; // their frames are returned, without a result
      this.#out.error(error);
    }
    this.#running = false;
    for (const queue of this.#queues.values()) this.#emit(queue);
    this.#consider();
  }

  #emit(queue: Entry[]): void {
    while (queue[0]?.open === 0) {
      const entry = queue.shift();
      if (!entry) break;
      this.#held--;
      if (entry.leased) this.#leased--;
      const item = { ...entry.item, faces: entry.faces };
      if (this.#out.closed) item.frame.release();
      else this.#out.next(item);
    }
    if (this.#ended && this.#held === 0) this.#out.complete();
  }
}

function settle({ entry, index }: Place, result: Partial<Face>): void {
  const face = entry.faces[index];
  if (!face) return;
  entry.faces[index] = { ...face, ...result };
  entry.open--;
}
