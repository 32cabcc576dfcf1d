import { Observable, type OperatorFunction } from "rxjs";
import type { Face, FaceFrame } from "../media/frame.js";
import type { Occupancy } from "../pipeline/context.js";

export interface BatchSettings {
  /** Crops a batch. */
  readonly size: number;
  /** Longest wait of a crop for its batch to fill, ms. */
  readonly maxWaitMs: number;
}

/** What the batcher needs of an engine: crops are written one by one into a batch, and a batch is run. */
export interface FaceBatch {
  /** Adds a face's crop to the batch that is being filled. */
  add(item: FaceFrame, face: Face): void;
  /** Runs what was added and begins a new batch; one result a crop, in order. */
  run(): Promise<readonly Partial<Face>[]>;
}

interface Entry {
  readonly item: FaceFrame;
  readonly faces: Face[];
  /** Faces that still wait for their result. */
  open: number;
}

/**
 * Gathers faces of all sources into batches. A batch goes when it is full, when its oldest crop has waited
 * `maxWaitMs`, or when nothing more can come because every frame there is waits here; one batch at a time. Frames
 * leave in the order of their source.
 */
export function batched(
  settings: BatchSettings,
  batch: FaceBatch,
  occupancy: Occupancy,
): OperatorFunction<FaceFrame, FaceFrame> {
  return (input) =>
    new Observable<FaceFrame>((subscriber) => {
      const queues = new Map<string, Entry[]>();
      const waiting: { readonly entry: Entry; readonly index: number; readonly sinceMs: number }[] = [];
      let held = 0;
      let running = false;
      let ended = false;
      let timer: NodeJS.Timeout | undefined;

      const emit = (queue: Entry[]) => {
        while (queue[0]?.open === 0) {
          const entry = queue.shift();
          if (!entry) break;
          held--;
          const item = { ...entry.item, faces: entry.faces };
          if (subscriber.closed) item.frame.release();
          else subscriber.next(item);
        }
        if (ended && held === 0) subscriber.complete();
      };

      const due = () => {
        const oldest = waiting[0];
        if (!oldest || running) return false;
        if (waiting.length >= settings.size || ended) return true;
        if (occupancy.exhausted && occupancy.leased <= held) return true;
        return performance.now() - oldest.sinceMs >= settings.maxWaitMs;
      };

      const consider = () => {
        clearTimeout(timer);
        timer = undefined;
        const oldest = waiting[0];
        if (subscriber.closed || running || !oldest) return;
        if (due()) void go();
        else
          timer = setTimeout(
            consider,
            Math.max(1, settings.maxWaitMs - (performance.now() - oldest.sinceMs)),
          );
      };

      const go = async () => {
        running = true;
        const taken = waiting.splice(0, settings.size);
        try {
          for (const { entry, index } of taken) {
            const face = entry.faces[index];
            if (face) batch.add(entry.item, face);
          }
          const results = await batch.run();
          for (const [i, { entry, index }] of taken.entries()) {
            const face = entry.faces[index];
            if (face) entry.faces[index] = { ...face, ...results[i] };
            entry.open--;
          }
        } catch (error) {
          for (const { entry } of taken) entry.open = 0; // their frames go back, without a result
          subscriber.error(error);
        }
        running = false;
        for (const queue of queues.values()) emit(queue);
        consider();
      };

      const stopListening = occupancy.onChange(() => {
        if (due()) consider();
      });
      const subscription = input.subscribe({
        next: (item) => {
          const { source } = item.frame;
          const queue = queues.get(source) ?? [];
          queues.set(source, queue);
          const entry: Entry = { item, faces: [...item.faces], open: item.faces.length };
          queue.push(entry);
          held++;
          for (const index of item.faces.keys()) waiting.push({ entry, index, sinceMs: performance.now() });
          if (entry.open === 0) emit(queue);
          consider();
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
        // Crops are copies: whatever the engine still works on, the frames can go back now.
        waiting.length = 0;
        for (const queue of queues.values()) {
          for (const entry of queue.splice(0)) entry.item.frame.release();
        }
        held = 0;
      };
    });
}
