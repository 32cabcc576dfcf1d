import { Observable, type OperatorFunction } from "rxjs";
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
 * `maxWaitMs`, or when nothing more can come because every frame waits here; one batch at a time, while the next one
 * fills. Frames leave in source order.
 */
export function batched(
  settings: BatchSettings,
  batch: FaceBatch,
  occupancy: Occupancy,
): OperatorFunction<FaceFrame, FaceFrame> {
  return (input) =>
    new Observable<FaceFrame>((subscriber) => {
      const queues = new Map<string, Entry[]>();
      /** Faces in the batch being filled. */
      let filling: Place[] = [];
      /** Faces that did not fit into it. */
      const waiting: Place[] = [];
      let held = 0;
      let leased = 0;
      let running = false;
      let ended = false;
      let timer: NodeJS.Timeout | undefined;

      const emit = (queue: Entry[]) => {
        while (queue[0]?.open === 0) {
          const entry = queue.shift();
          if (!entry) break;
          held--;
          if (entry.leased) leased--;
          const item = { ...entry.item, faces: entry.faces };
          if (subscriber.closed) item.frame.release();
          else subscriber.next(item);
        }
        if (ended && held === 0) subscriber.complete();
      };

      /** Called when the frame's pixels are no longer needed. */
      const giveBack = (entry: Entry) => {
        if (!settings.early.has(entry.item.frame.source) || held - leased >= MAX_WITHOUT_SLOT) return;
        entry.leased = false;
        leased--;
        entry.item = { ...entry.item, frame: entry.item.frame.withoutPixels() };
      };

      const fill = () => {
        while (filling.length < settings.size) {
          const place = waiting.shift();
          const face = place?.entry.faces[place.index];
          if (!place || !face) break;
          batch.cut(place.entry.item, face, filling.length);
          filling.push(place);
          if (--place.entry.uncut === 0) giveBack(place.entry);
        }
      };

      const due = () => {
        const oldest = filling[0];
        if (!oldest || running) return false;
        if (filling.length >= settings.size || ended) return true;
        if (leased > 0 && occupancy.exhausted && occupancy.leased <= leased) return true;
        return performance.now() - oldest.sinceMs >= settings.maxWaitMs;
      };

      const consider = () => {
        clearTimeout(timer);
        timer = undefined;
        const oldest = filling[0];
        if (subscriber.closed || running || !oldest) return;
        if (due()) void go();
        else
          timer = setTimeout(
            consider,
            Math.min(MOST_TIMER_MS, Math.max(1, settings.maxWaitMs - (performance.now() - oldest.sinceMs))),
          );
      };

      const go = async () => {
        running = true;
        const taken = filling;
        filling = [];
        try {
          const results = batch.run(taken.length);
          fill();
          for (const [i, result] of (await results).entries()) {
            const { entry, index } = taken[i] ?? {};
            const face = entry?.faces[index ?? 0];
            if (!entry || index === undefined || !face) continue;
            entry.faces[index] = { ...face, ...result };
            entry.open--;
          }
        } catch (error) {
          for (const { entry } of taken) entry.open = 0; // their frames are returned, without a result
          subscriber.error(error);
        }
        running = false;
        for (const queue of queues.values()) emit(queue);
        consider();
      };

      const take = (item: FaceFrame) => {
        const { source } = item.frame;
        const queue = queues.get(source) ?? [];
        queues.set(source, queue);
        const count = item.faces.length;
        const entry: Entry = { item, faces: [...item.faces], uncut: count, open: count, leased: true };
        queue.push(entry);
        held++;
        leased++;
        const sinceMs = performance.now();
        for (const index of item.faces.keys()) waiting.push({ entry, index, sinceMs });
        if (count === 0 && queue.length > 1) giveBack(entry);
        fill();
        if (count === 0) emit(queue);
        consider();
      };

      const stopListening = occupancy.onChange(() => {
        if (due()) consider();
      });
      const subscription = input.subscribe({
        next: (item) => {
          try {
            take(item);
          } catch (error) {
            subscriber.error(error); // RxJS would let it end the process
          }
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          ended = true;
          if (held === 0) subscriber.complete();
          else consider();
        },
      });
      return () => {
        clearTimeout(timer);
        stopListening();
        subscription.unsubscribe();
        // Crops are copies: even if the engine is still working on them, the frames can be returned now.
        waiting.length = 0;
        filling = [];
        for (const queue of queues.values()) {
          for (const entry of queue.splice(0)) entry.item.frame.release();
        }
        held = 0;
        leased = 0;
      };
    });
}
