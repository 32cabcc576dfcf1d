import assert from "node:assert/strict";
import { mock } from "node:test";
import { Lease } from "#src/worker/lease.js";

describe("a lease", () => {
  let now: number;
  let over: number;
  let lease: Lease;
  beforeEach(() => {
    [now, over] = [0, 0];
    lease = new Lease(
      () => over++,
      () => now,
    );
    mock.timers.enable({ apis: ["setTimeout"] });
  });
  afterEach(() => mock.timers.reset());

  /** Lets timers of so many ms fire, and what they start. */
  async function pass(ms: number): Promise<void> {
    mock.timers.tick(ms);
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  it("expires at its end even if the timer fires early by its clock", async () => {
    lease.holdUntil(20);
    await pass(20); // its clock has not moved
    now = 19.9;
    await pass(20);
    assert.equal(over, 0);
    now = 20;
    await pass(1);
    assert.equal(over, 1);
  });

  it("does not expire before the end to which it was extended", async () => {
    lease.holdUntil(10);
    lease.holdUntil(30);
    now = 12;
    await pass(30);
    assert.equal(over, 0);
    now = 30;
    await pass(18);
    assert.equal(over, 1);
  });

  it("is extended by a message that was waiting when the timer fired", async () => {
    lease.holdUntil(10);
    now = 10;
    const passing = pass(10);
    setImmediate(() => lease.holdUntil(40));
    await passing;
    assert.equal(over, 0);
  });

  it("does not expire once it has ended, even if the timer has just fired", async () => {
    lease.holdUntil(10);
    now = 10;
    const passing = pass(10);
    lease.end();
    await passing;
    assert.equal(over, 0);
  });
});
