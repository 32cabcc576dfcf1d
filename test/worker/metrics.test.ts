import assert from "node:assert/strict";
import { exposition } from "#src/metrics/index.js";
import { WORKER_FAMILIES } from "#src/worker/index.js";
import { parseExposition } from "../support/exposition.js";

describe("metrics of a worker", () => {
  it("count every outcome of a job from 0, since alerts do not see a counter that starts at 1", () => {
    const left = [{ kind: "camera", outcome: "set aside", count: 2 }] as const;
    const figures = { jobs: [], left, load: 0, waiting: {}, trouble: undefined };
    const counts = parseExposition(exposition(WORKER_FAMILIES, figures)).filter(
      ({ name }) => name === "ekspresi_worker_jobs_left_total",
    );
    assert.equal(counts.length, 12);
    for (const { labels, value } of counts)
      assert.equal(value, labels.kind === "camera" && labels.outcome === "set aside" ? 2 : 0);
  });
});
