import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Lease } from "#src/worker/lease.js";

describe("a lease", () => {
  it("expires at its end even if the timer fires early by its clock", async () => {
    let now = 0;
    const over = new Promise<number>((resolve) => {
      new Lease(
        () => resolve(now),
        () => now,
      ).holdUntil(20);
    });
    await sleep(60); // the timer has fired, but its clock has not moved
    now = 19.9;
    await sleep(60);
    now = 20;
    assert.equal(await over, 20);
  });

  it("does not expire while it is extended, nor once it has ended", async () => {
    let now = 0;
    let over = 0;
    const lease = new Lease(
      () => over++,
      () => now,
    );
    lease.holdUntil(10);
    lease.holdUntil(1000);
    now = 500;
    await sleep(40);
    assert.equal(over, 0);
    lease.holdUntil(510);
    lease.end();
    now = 2000;
    await sleep(40);
    assert.equal(over, 0);
  });
});
