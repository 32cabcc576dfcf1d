import assert from "node:assert/strict";
import { faultRound } from "../../support/nats-faults.js";
import { needsNatsServer } from "../../support/nats-server.js";

describe("the nats sink through kills, halts and restarts of server and process", function () {
  this.timeout(250_000);
  before(function () {
    needsNatsServer(this);
  });

  // `scripts/nats-faults.ts` does the same in 50 rounds of 10,000 events, with halts of up to 7 s.
  for (const seed of [1, 2])
    it(`loses nothing, duplicates nothing and keeps the order within tracks (seed ${seed})`, async () => {
      const figures = await faultRound({ seed, events: 1500, longestHaltMs: 500 });
      const { stored, lost, doubled, misplaced, faults } = figures;
      assert.deepEqual(
        { stored, lost, doubled, misplaced },
        { stored: 1500, lost: 0, doubled: 0, misplaced: 0 },
      );
      for (const fault of ["we killed", "we halted", "server killed", "server halted"])
        assert(faults.includes(fault), fault);
    });
});
