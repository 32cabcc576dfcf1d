import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type JsMsg, jetstream, jetstreamManager } from "@nats-io/jetstream";
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

  const spec: JobSpec = { kind: "camera", file: "lobby.yaml", yaml: "", set: [] };
  const submit = async (...ids: string[]) => {
    for (const id of ids) await queue.submit(id, spec);
  };
  const claim = async (worker: string, maxTries = 5) => {
    const message = (await queue.next("camera", 10_000)) ?? assert.fail("no job");
    const claim = await queue.claim(message, worker, maxTries);
    assert(typeof claim === "object", String(claim));
    return claim;
  };
  /** Takes all waiting jobs, and returns their ids. */
  async function taken(kind: JobKind = "camera"): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const message = await queue.next(kind, 1000);
      const claim = message && (await queue.claim(message, "worker", 5));
      if (typeof claim !== "object") {
        if (message) continue;
        return ids;
      }
      ids.push(claim.record.job.id);
    }
  }

  it("delivers every job once, even those submitted again after they were cancelled", async () => {
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

  it("refuses to submit or remove a job that waits or runs, and to retry one that runs", async () => {
    await submit("a");
    await assert.rejects(submit("a"), { code: "JOB_EXISTS", message: /^job a is queued; cancel it first/ });
    await assert.rejects(queue.remove("a"), { code: "JOB_RUNNING", message: /^job a is queued/ });
    assert.deepEqual(await taken(), ["a"]);
    const running = /^job a is running on worker; cancel it first/;
    await assert.rejects(submit("a"), { code: "JOB_EXISTS", message: running });
    await assert.rejects(queue.retry("a"), { code: "JOB_RUNNING", message: running });
    await assert.rejects(queue.remove("a"), { code: "JOB_RUNNING", message: running });
    assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 1 });
  });

  it("skips an entry stored under another job's id, and delivers the others", async () => {
    await submit("a");
    const store = await new Kvm(nats.connection).open("EKSPRESI_JOBS");
    const stored = (await store.get("a"))?.string() ?? assert.fail("nothing is stored");
    await store.put("b", stored);
    await jetstream(nats.connection).publish("ekspresi.jobs.camera.b");
    await submit("c");
    assert.deepEqual(await taken(), ["a", "c"]);
    assert.equal(await queue.find("b"), undefined);
  });

  it("leaves a job of another version to a worker that can parse it, says so, and can remove it", async () => {
    await submit("a");
    const store = await new Kvm(nats.connection).open("EKSPRESI_JOBS");
    await store.put("a", '{"id":"a","state":"paused"}');
    await submit("b");
    assert.deepEqual(await taken(), ["b"]);
    assert.deepEqual((await queue.waiting("camera")).held, 2); // b, and a, which is postponed
    assert.deepEqual(
      (await queue.list()).map((record) => (typeof record === "string" ? record : record.job.id)),
      ["a", "b"],
    );
    for (const act of [submit("a"), queue.cancel("a"), queue.retry("a")])
      await assert.rejects(act, { code: "JOB_UNREADABLE" });
    await queue.remove("a");
    await submit("a");
    assert.deepEqual(await taken(), ["a"]);
  });

  it("says how to retry a job that the server refused to queue", async () => {
    const manager = await jetstreamManager(nats.connection);
    await manager.streams.update("EKSPRESI_JOBS", { max_msgs: 1 });
    await submit("a");
    await assert.rejects(submit("b"), {
      message: `${server.url}: job b could not be queued: maximum messages exceeded; retry with \`pipeline jobs retry b\``,
    });
    await manager.streams.update("EKSPRESI_JOBS", { max_msgs: -1 });
    await queue.retry("b");
    assert.deepEqual(await taken(), ["a", "b"]);
  });

  it("permanently removes a message with an invalid job id", async () => {
    await jetstream(nats.connection).publish("ekspresi.jobs.camera.ä");
    await submit("a");
    assert.deepEqual(await taken(), ["a"]);
    assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 1 });
  });

  it("removes only the cancelled one of several waiting jobs", async () => {
    await submit("a", "b", "c", "d");
    await queue.cancel("b");
    await queue.cancel("c");
    await queue.retry("c");
    assert.deepEqual(await taken(), ["a", "d", "c"]);
  });

  /** Runs once `request` is answered, before the answer is passed on. */
  function interrupt(subject: string, act: (queue: JobQueue) => Promise<unknown>): void {
    const { connection } = nats;
    const request = connection.request.bind(connection);
    connection.request = async (...args) => {
      const answer = await request(...args);
      if (args[0] !== subject) return answer;
      connection.request = request;
      const other = await connectNats({ url: server.url }, { name: "other" });
      await act(await JobQueue.open(other)).finally(() => other.close());
      return answer;
    };
  }
  const READ = "$JS.API.STREAM.MSG.GET.KV_EKSPRESI_JOBS";
  const WRITE = "$KV.EKSPRESI_JOBS.a";

  it("delivers a job that is submitted again while it is being cancelled", async () => {
    await submit("a");
    interrupt(WRITE, (other) => other.submit("a", spec));
    await queue.cancel("a");
    assert.deepEqual(await taken(), ["a"]);
  });

  it("delivers a job that two submit or retry at a time, of whom one learns of the other", async () => {
    await submit("a");
    await queue.cancel("a");
    interrupt(READ, (other) => other.submit("a", spec));
    await assert.rejects(submit("a"), { code: "JOB_EXISTS" });
    assert.deepEqual(await taken(), ["a"]);
    await queue.cancel("a");
    interrupt(READ, (other) => other.retry("a"));
    await assert.rejects(queue.retry("a"), { code: "JOB_EXISTS", message: /^job a was just changed/ });
    assert.deepEqual(await taken(), ["a"]);
  });

  it("leaves a waiting job to a worker that takes it while it is being retried", async () => {
    await submit("a");
    interrupt(READ, async (other) => {
      const message = (await other.next("camera", 1000)) ?? assert.fail("no job");
      await other.claim(message, "worker", 5);
    });
    await assert.rejects(queue.retry("a"), { code: "JOB_EXISTS" });
    assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 1 });
  });

  it("does not remove a job that is being retried", async () => {
    await submit("a");
    await queue.cancel("a");
    interrupt(READ, (other) => other.retry("a"));
    await assert.rejects(queue.remove("a"), { code: "JOB_EXISTS", message: /^job a was just changed/ });
    assert.deepEqual(await taken(), ["a"]);
    await queue.cancel("a");
    await queue.remove("a");
    assert.equal(await queue.find("a"), undefined);
  });

  it("does not take a retried job for the try that was cancelled, even on the same worker", async () => {
    await submit("a");
    const cancelled = await claim("worker");
    await queue.cancel("a");
    await queue.retry("a");
    const retried = await claim("worker");
    assert.equal(await queue.renew(cancelled, {}), undefined);
    assert(await queue.renew(retried, {}));
  });

  it("takes back, finishes or sets aside a job after a renewal whose answer was lost", async () => {
    await submit("a");
    const first = await claim("worker");
    await queue.renew(first, {});
    assert(await queue.giveBack(first, { failures: 0 }));
    const second = await claim("worker");
    assert.deepEqual([second.record.job.tries, second.record.job.failures], [2, 0]);
    await queue.renew(second, {});
    assert(await queue.setAside(second, "broken", 1));
    await queue.retry("a");
    const third = await claim("worker");
    await queue.renew(third, {});
    assert(await queue.finish(third));
    assert.equal((await queue.find("a"))?.job.state, "done");
  });

  it("has claimed a job even if the answer is lost", async () => {
    await submit("a");
    interrupt(WRITE, () => Promise.reject(new Error("timeout")));
    const claimed = await claim("worker");
    assert.deepEqual([claimed.record.job.state, claimed.record.job.tries], ["running", 1]);
    assert(await queue.renew(claimed, {}));
  });

  it("finishes a job even if nothing confirms that its message is removed", async () => {
    await submit("a");
    const done = await claim("worker");
    await (await jetstreamManager(nats.connection)).consumers.delete("EKSPRESI_JOBS", "cameras");
    assert.equal(await queue.finish(done), true);
    assert.equal((await queue.find("a"))?.job.state, "done");
  });

  it("cancels a job whose message is already gone", async () => {
    await submit("a");
    const message = (await queue.next("camera", 1000)) ?? assert.fail("no job");
    message.term();
    await nats.connection.flush();
    await queue.cancel("a");
    assert.equal((await queue.find("a"))?.job.state, "cancelled");
  });

  it("counts a lost worker as a failure of its job, and finally sets the job aside", async () => {
    await submit("a");
    const next = async () => (await queue.next("camera", 10_000)) ?? assert.fail("no job");
    const lost = await queue.claim(await next(), "first", 2);
    await queue.claim(await next(), "second", 2);
    assert(typeof lost === "object");
    assert.equal(await queue.renew(lost, {}), undefined, "the first no longer has it");
    assert.equal(await queue.finish(lost), false);
    const { tries, failures, reason } = (await queue.find("a"))?.job ?? assert.fail("no job");
    assert.deepEqual([tries, failures, reason], [2, 1, "worker first was lost while running the job"]);
    assert.equal(await queue.claim(await next(), "third", 2), "set aside");
    assert.equal((await queue.find("a"))?.job.state, "failed");
  });

  for (const [clock, hours] of [
    ["fast", -1],
    ["slow", 1],
  ] as const)
    it(`does not count a worker lost because the server was away, but one lost afterwards, if its clock is ${clock}`, async () => {
      const now = Date.now;
      Date.now = () => now() + hours * 3_600_000;
      try {
        await nats.close();
        nats = await connectNats({ url: server.url }, { name: "test" });
        queue = await JobQueue.open(nats);
        await submit("a");
        await claim("first", 1);
        await server.stop();
        await sleep(1500);
        await server.restart();
        let message: JsMsg | undefined;
        while (!message) message = await queue.next("camera", 1000).catch(() => undefined);
        const second = await queue.claim(message, "second", 1);
        assert(typeof second === "object", String(second));
        const { failures, reason } = second.record.job;
        assert.deepEqual([failures, reason], [0, "NATS was away while worker first was running the job"]);
        const { record } = await claim("third", 2);
        assert.deepEqual(
          [record.job.failures, record.job.reason],
          [1, "worker second was lost while running the job"],
        );
      } finally {
        Date.now = now;
      }
    });

  it("is recreated after the server has lost it, and then delivers jobs to those who had it open", async () => {
    assert.equal(await queue.restore(), false);
    const manager = await jetstreamManager(nats.connection);
    for (const name of ["EKSPRESI_JOBS", "KV_EKSPRESI_JOBS"]) await manager.streams.delete(name);
    await assert.rejects(queue.next("camera", 1000));
    assert.equal(await queue.restore(), true);
    await submit("a");
    assert.deepEqual(await taken(), ["a"]);
    for (const name of ["EKSPRESI_JOBS", "KV_EKSPRESI_JOBS"]) {
      await manager.streams.delete(name);
      assert.equal(await queue.restore(), true, name);
    }
  });

  it("keeps to the ack wait of a queue that another has recreated", async () => {
    const manager = await jetstreamManager(nats.connection);
    await manager.streams.delete("EKSPRESI_JOBS");
    await JobQueue.open(nats, { ackWaitMs: 3000 });
    await queue.restore();
    assert.deepEqual(queue.settings, { ackWaitMs: 3000, replicas: 1 });
  });

  it("lists each job once, by id, while jobs change", async () => {
    const ids = Array.from({ length: 20 }, (_, i) => `job-${String(i).padStart(2, "0")}`);
    await submit(...ids);
    let listing = true;
    const changing = (async () => {
      while (listing) for (const id of ids.slice(0, 5)) await queue.retry(id);
    })();
    for (let n = 0; n < 10; n++)
      assert.deepEqual(
        (await queue.list()).map((record) => (typeof record === "string" ? "" : record.job.id)),
        ids,
      );
    listing = false;
    await changing;
  });
});
