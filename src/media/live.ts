import { Observable, type Subscription } from "rxjs";
import { EkspresiError, messageOf } from "../errors.js";
import { MOST_TIMER_MS } from "../timer.js";
import { cameraClock } from "./clock.js";
import { type DecodeContext, type DecodeInput, decode } from "./decode.js";
import { expectFfmpeg } from "./ffmpeg.js";
import type { Frame } from "./frame.js";

export interface LiveOptions {
  /** First wait before a retry, in ms; doubled each time up to `mostMs`, and randomised by a quarter either way. */
  readonly leastMs: number;
  readonly mostMs: number;
}

export interface LiveContext extends DecodeContext {
  readonly source: DecodeContext["source"] & { reconnects: number };
}

/**
 * Frames of a camera, indefinitely: any end of the input is a failure, after which it is opened again. Media time
 * counts from the camera's first frame and continues across reconnects, gaps included. Completes after `context.stop`.
 */
export function live(
  input: Omit<DecodeInput, "live" | "clock">,
  context: LiveContext,
  options: LiveOptions,
): Observable<Frame> {
  expectFfmpeg();
  let closed: () => void | Promise<void> = () => {};
  context.defer(() => closed());
  // One callback for all sessions: a camera may be reopened indefinitely.
  const own: LiveContext = { ...context, defer: (close) => (closed = close) };
  return new Observable((subscriber) => {
    let firstAtMs = Number.NaN;
    const sinceFirstMs = () => {
      const now = performance.now();
      if (Number.isNaN(firstAtMs)) firstAtMs = now;
      return now - firstAtMs;
    };
    let waitMs = options.leastMs;
    let timer: NodeJS.Timeout | undefined;
    let session: Subscription | undefined;

    const open = () => {
      const clock = cameraClock(sinceFirstMs, () => context.source.mediaTimeMs);
      const before = context.source.decoded;
      session = decode({ ...input, live: true, clock }, own).subscribe({
        next: (frame) => subscriber.next(frame),
        error: (error: unknown) =>
          isFinal(error) ? subscriber.error(error) : again(messageOf(error), before),
        complete: () => again(`source ${context.id}: ${input.name}: the stream ended`, before),
      });
    };
    const again = (why: string, before: number) => {
      if (context.stop.aborted) return subscriber.complete();
      if (context.source.decoded > before) waitMs = options.leastMs; // it had worked before
      const wait = Math.min(MOST_TIMER_MS, waitMs * (0.75 + Math.random() / 2));
      waitMs = Math.min(options.mostMs, waitMs * 2);
      context.source.state = "reconnecting";
      context.source.reconnects++;
      context.log.warn(`${why}; trying again in ${(wait / 1000).toFixed(1)} s`);
      timer = setTimeout(open, wait);
    };
    const stop = () => {
      // A running session completes by itself; between sessions there is nothing to wait for.
      if (timer && context.source.state === "reconnecting") {
        clearTimeout(timer);
        subscriber.complete();
      }
    };
    context.stop.addEventListener("abort", stop, { once: true });
    if (context.stop.aborted) subscriber.complete();
    else open();
    return () => {
      clearTimeout(timer);
      context.stop.removeEventListener("abort", stop);
      session?.unsubscribe();
    };
  });
}

/** Whether retrying is pointless: there is no ffmpeg, or no memory for frames. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof EkspresiError && ["FFMPEG_MISSING", "FFMPEG_BROKEN", "FRAME_MEMORY"].includes(error.code)
  );
}
