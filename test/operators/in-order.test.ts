import assert from "node:assert/strict";
import { Subject } from "rxjs";
import { inOrder } from "#src/operators/in-order.js";

interface Item {
  readonly source: string;
  readonly name: string;
}

/** An operator whose work finishes when the test says so. */
function bench() {
  const ends = new Map<string, { resolve(): void; reject(error: Error): void }>();
  const out: string[] = [];
  const dropped: string[] = [];
  const input = new Subject<Item>();
  const subscription = input
    .pipe(
      inOrder(
        (item: Item) => item.source,
        ({ name }) =>
          new Promise<string>((resolve, reject) => {
            ends.set(name, { resolve: () => resolve(name), reject });
          }),
        (result) => dropped.push(result),
        ({ name }) => dropped.push(`${name}!`),
      ),
    )
    .subscribe({
      next: (name) => out.push(name),
      error: (error: Error) => out.push(error.message),
      complete: () => out.push("end"),
    });
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
  return {
    out,
    dropped,
    input,
    subscription,
    take: (...names: string[]) => {
      for (const name of names) input.next({ source: name.slice(0, 1), name });
    },
    end: (...names: string[]) => {
      for (const name of names) ends.get(name)?.resolve();
      return settled();
    },
    fail: (name: string) => {
      ends.get(name)?.reject(new Error(`${name} failed`));
      return settled();
    },
  };
}

describe("inOrder", () => {
  it("holds a result back for earlier ones of its source, never for another source's", async () => {
    const { take, end, input, out } = bench();
    take("a1", "a2", "b1", "a3");
    await end("a3", "b1");
    assert.deepEqual(out, ["b1"]);
    await end("a1");
    assert.deepEqual(out, ["b1", "a1"]);
    input.complete();
    await end("a2");
    assert.deepEqual(out, ["b1", "a1", "a2", "a3", "end"]);
  });

  it("completes at once if nothing is in progress", () => {
    const { input, out } = bench();
    input.complete();
    assert.deepEqual(out, ["end"]);
  });

  it("returns everything after a failure: what failed, what waits, what is still in progress", async () => {
    const { take, end, fail, out, dropped } = bench();
    take("a1", "a2", "a3");
    await end("a2");
    await fail("a1");
    await end("a3");
    assert.deepEqual(out, ["a1 failed"]);
    assert.deepEqual(dropped.sort(), ["a1!", "a2", "a3"]);
  });

  it("returns everything after unsubscription", async () => {
    const { take, end, subscription, out, dropped } = bench();
    take("a1", "a2", "b1");
    await end("a2");
    subscription.unsubscribe();
    await end("a1", "b1");
    assert.deepEqual(out, []);
    assert.deepEqual(dropped.sort(), ["a1", "a2", "b1"]);
  });
});
