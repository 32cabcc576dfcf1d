import type { EmotionEvent } from "../../events/event.js";

/** A way to deliver events. */
export interface Delivery {
  /** Resolves once the event is stored as promised. Throws or rejects with `SinkError` if that fails. */
  take(event: EmotionEvent): void | Promise<void>;
  figures(): Record<string, number>;
  /** Sends waiting events and closes; rejects with a `SinkError` that tells how many are not delivered. */
  close(): Promise<void>;
}
