import { Observable, type OperatorFunction } from "rxjs";

/**
 * Processes items concurrently and emits the results in source order: a result waits for earlier ones of the same
 * source, never for those of another. `work` is called at once for every item; the frame pools limit how many there
 * are.
 *
 * @param drop returns the leases of a result that nobody will take any more
 */
export function inOrder<T, R>(
  sourceOf: (item: T) => string,
  work: (item: T) => Promise<R>,
  drop: (result: R) => void,
  abandon: (item: T) => void,
): OperatorFunction<T, R> {
  return (input) =>
    new Observable<R>((subscriber) => {
      const queues = new Map<string, Entry<R>[]>();
      let pending = 0;
      let ended = false;

      const flush = (queue: Entry<R>[]) => {
        for (let head = queue[0]; head?.done; head = queue[0]) {
          queue.shift();
          if (subscriber.closed) drop(head.done.result);
          else subscriber.next(head.done.result);
        }
        if (ended && pending === 0 && [...queues.values()].every((q) => q.length === 0))
          subscriber.complete();
      };

      const take = (item: T) => {
        const source = sourceOf(item);
        const queue = queues.get(source) ?? [];
        queues.set(source, queue);
        const entry: Entry<R> = {};
        queue.push(entry);
        pending++;
        work(item).then(
          (result) => {
            pending--;
            entry.done = { result };
            flush(queue);
          },
          (error: unknown) => {
            pending--;
            queue.splice(queue.indexOf(entry), 1);
            abandon(item);
            subscriber.error(error);
            flush(queue);
          },
        );
      };

      const subscription = input.subscribe({
        next: take,
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          ended = true;
          if (pending === 0) subscriber.complete();
        },
      });
      return () => {
        subscription.unsubscribe();
        // Finished results that wait are returned now, the others when they are done.
        for (const queue of queues.values()) flush(queue);
      };
    });
}

interface Entry<R> {
  done?: { readonly result: R };
}
