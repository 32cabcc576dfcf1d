import type { EmotionEvent } from "../../events/event.js";

/** A way to deliver events. */
export interface Delivery {
  /** Resolves once the event is kept where its way promises. Throws or rejects with `SinkError` once it cannot. */
  take(event: EmotionEvent): void | Promise<void>;
  figures(): Record<string, number>;
  /** Sends what waits, closes, and rejects with a `SinkError` that says what is not delivered. */
  close(): Promise<void>;
}
