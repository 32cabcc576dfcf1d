import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { cores, coresOf, cpuLimit } from "#src/cores.js";

describe("cores", () => {
  it("are those of the machine, or fewer where a container has a limit, but one at least", () => {
    const of = (text: string) =>
      coresOf(
        8,
        cpuLimit(() => text),
      );
    assert.equal(of("200000 100000\n"), 2);
    assert.equal(of("150000 100000\n"), 2);
    assert.equal(of("50000 100000\n"), 1);
    assert.equal(of("1600000 100000\n"), 8);
    assert.equal(of("max 100000\n"), 8);
    assert.equal(of(""), 8);
  });

  it("are no more than Node counts", () => {
    assert(cores() >= 1 && cores() <= availableParallelism());
  });
});
