import assert from "node:assert/strict";
import { jetstream } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { type JobKind, JobQueue, type JobSpec } from "#src/jobs/index.js";
import { connectNats, type Nats } from "#src/nats/index.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";

describe("the job queue", function () {
  this.timeout(60_000);
  let server: NatsServer;
  let nats: Nats;
  let queue: JobQueue;
  before(function () {
    needsNatsServer(this);
  });
  beforeEach(async () => {
    server = await NatsServer.start();
    nats = await connectNats({ url: server.url }, { name: "test" });
    queue = await JobQueue.open(nats);
  });
  afterEach(async () => {
    await nats.close();
    await server.remove();
  });

  const submit = async (...ids: string[]) => {
    const spec: JobSpec = { kind: "camera", file: "lobby.yaml", yaml: "", set: [] };
    for (const id of ids) await queue.submit(id, spec);
  };
  /** Takes all that waits, and gives their ids. */
  async function taken(kind: JobKind = "camera"): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const message = await queue.next(kind, 1000);
      const claim = message && (await queue.claim(message, "worker", 5));
      if (message && !claim) continue;
      if (!claim) return ids;
      ids.push(claim.record.job.id);
    }
  }

  it("hands out every job once, also those that are submitted again after they were cancelled", async () => {
    const ids = ["a", "b", "c"];
    for (let round = 0; round < 2; round++) {
      await submit(...ids);
      assert.deepEqual(await queue.waiting("camera"), { waiting: 3, held: 0 });
      assert.deepEqual(await taken(), ids);
      assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 3 });
      for (const id of ids) await queue.cancel(id);
      assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 0 });
    }
  });

  it("passes over what is stored under another job's id, and hands out the others", async () => {
    await submit("a");
    const store = await new Kvm(nats.connection).open("EKSPRESI_JOBS");
    const stored = (await store.get("a"))?.string() ?? assert.fail("nothing is stored");
    await store.put("b", stored);
    await jetstream(nats.connection).publish("ekspresi.jobs.camera.b");
    await submit("c");
    assert.deepEqual(await taken(), ["a", "c"]);
    assert.equal(await queue.find("b"), undefined);
  });

  it("takes out for good what no job can be called", async () => {
    await jetstream(nats.connection).publish("ekspresi.jobs.camera.ä");
    await submit("a");
    assert.deepEqual(await taken(), ["a"]);
    assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 1 });
  });

  it("of jobs that wait takes out the one that is cancelled, and no other", async () => {
    await submit("a", "b", "c", "d");
    await queue.cancel("b");
    await queue.cancel("c");
    await queue.retry("c");
    assert.deepEqual(await taken(), ["a", "d", "c"]);
  });

  it("cancels a job whose message is gone already", async () => {
    await submit("a");
    const message = (await queue.next("camera", 1000)) ?? assert.fail("no job");
    message.term();
    await nats.connection.flush();
    await queue.cancel("a");
    assert.equal((await queue.find("a"))?.job.state, "cancelled");
  });

  it("lists each job once, by id, while they change", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `job-${String(i).padStart(2, "0")}`);
    await submit(...ids);
    let listing = true;
    const changing = (async () => {
      while (listing) for (const id of ids.slice(0, 5)) await queue.retry(id);
    })();
    for (let n = 0; n < 10; n++)
      assert.deepEqual(
        (await queue.list()).map(({ job }) => job.id),
        ids,
      );
    listing = false;
    await changing;
  });
});
