import { Observable, type OperatorFunction } from "rxjs";

/**
 * Works on items side by side and gives the results in the order of their sources: a result waits for those before
 * it of the same source, never for another source's. `work` is called at once for every item; how many there are at
 * a time is bounded by the frame pools.
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
        for (const queue of queues.values()) flush(queue); // what is done but waits goes back now, the rest when done
      };
    });
}

interface Entry<R> {
  done?: { readonly result: R };
}
