import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JobKind, JobQueue } from "#src/jobs/index.js";
import { connectNats, type Nats } from "#src/nats/index.js";
import { HeldJob } from "#src/worker/held-job.js";
import { monotonicMs } from "#src/worker/messages.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";

describe("a held job", function () {
  this.timeout(60_000);
  let server: NatsServer;
  let nats: Nats;
  let queue: JobQueue;
  let folder: string;
  before(function () {
    needsNatsServer(this);
  });
  beforeEach(async () => {
    server = await NatsServer.start();
    nats = await connectNats({ url: server.url }, { name: "test" });
    queue = await JobQueue.open(nats);
    folder = mkdtempSync(join(tmpdir(), "ekspresi-held-"));
  });
  afterEach(async () => {
    await nats.close();
    await server.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  async function held(kind: JobKind): Promise<HeldJob> {
    await queue.submit("a", { kind, file: "a.yaml", yaml: "", set: [] });
    const claimedAtMs = monotonicMs();
    const message = (await queue.next(kind, 5000)) ?? assert.fail("no job");
    const claim = await queue.claim(message, "worker", 5);
    assert(typeof claim === "object");
    const rules = { folder, read: [], env: {} };
    const policy = { worker: "worker", rules, maxTries: 5, provenAfterMs: 60_000, retryAfterMs: 1000 };
    return new HeldJob(queue, claim, claimedAtMs, policy, silent);
  }

  for (const kind of ["camera", "recording"] as const)
    it(`fails if the process of a ${kind} cannot be started`, async () => {
      const node = process.execPath;
      process.execPath = join(folder, "no-node");
      try {
        const { left } = await held(kind);
        const late = new Promise((resolve) => setTimeout(resolve, 10_000, "late").unref());
        assert.equal(await Promise.race([left, late]), "failed");
      } finally {
        process.execPath = node;
      }
      const { state, failures, reason } = (await queue.find("a"))?.job ?? assert.fail("no job");
      assert.deepEqual([state, failures], ["queued", 1]);
      assert.match(reason ?? "", /^its process exited with code null: spawn .*no-node ENOENT$/);
    });
});
