import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { type JsMsg, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { type Claim, JobQueue, type JobSpec, type QueueSettings } from "#src/jobs/index.js";
import { connectNats, type Nats } from "#src/nats/index.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";
import { together } from "../support/together.js";

const spec: JobSpec = { kind: "camera", file: "lobby.yaml", yaml: "", set: [] };

/** A queue on a server of its own. */
class Site {
  readonly server: NatsServer;
  readonly nats: Nats;
  readonly queue: JobQueue;

  private constructor(server: NatsServer, nats: Nats, queue: JobQueue) {
    this.server = server;
    this.nats = nats;
    this.queue = queue;
  }

  static async open(settings: Partial<QueueSettings> = {}): Promise<Site> {
    const server = await NatsServer.start();
    const nats = await connectNats({ url: server.url }, { name: "test" });
    return new Site(server, nats, await JobQueue.open(nats, settings));
  }

  async close(): Promise<void> {
    await this.nats.close();
    await this.server.remove();
  }

  async submit(...ids: string[]): Promise<void> {
    for (const id of ids) await this.queue.submit(id, spec);
  }

  async claim(worker: string, maxTries = 5): Promise<Claim> {
    const message = (await this.queue.next("camera", 10_000)) ?? assert.fail("no job");
    const claim = await this.queue.claim(message, worker, maxTries);
    assert(typeof claim === "object", String(claim));
    return claim;
  }

  /** Takes all waiting jobs, and returns their ids. */
  async taken(): Promise<string[]> {
    const ids: string[] = [];
    for (;;) {
      const message = await this.queue.next("camera", 1000);
      const claim = message && (await this.queue.claim(message, "worker", 5));
      if (typeof claim !== "object") {
        if (message) continue;
        return ids;
      }
      ids.push(claim.record.job.id);
    }
  }

  /** Runs once `request` is answered, before the answer is passed on. */
  interrupt(subject: string, act: (queue: JobQueue) => Promise<unknown>): void {
    const { connection } = this.nats;
    const request = connection.request.bind(connection);
    connection.request = async (...args) => {
      const answer = await request(...args);
      if (args[0] !== subject) return answer;
      connection.request = request;
      const other = await connectNats({ url: this.server.url }, { name: "other" });
      await act(await JobQueue.open(other)).finally(() => other.close());
      return answer;
    };
  }
}
const READ = "$JS.API.STREAM.MSG.GET.KV_EKSPRESI_JOBS";
const WRITE = "$KV.EKSPRESI_JOBS.a";

/** A worker is lost sooner than with the default of 6 s. */
const LOST_SOON = { ackWaitMs: 2000 };

describe("the job queue", function () {
  this.timeout(60_000);
  before(function () {
    needsNatsServer(this);
  });
  const it = together(8, Site.open);

  it("delivers every job once, even those submitted again after they were cancelled", async (site) => {
    const { queue } = site;
    const ids = ["a", "b", "c"];
    for (let round = 0; round < 2; round++) {
      await site.submit(...ids);
      assert.deepEqual(await queue.waiting("camera"), { waiting: 3, held: 0 });
      assert.deepEqual(await site.taken(), ids);
      assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 3 });
      for (const id of ids) await queue.cancel(id);
      assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 0 });
    }
  });

  it("refuses to submit or remove a job that waits or runs, and to retry one that runs", async (site) => {
    const { queue } = site;
    await site.submit("a");
    await assert.rejects(site.submit("a"), {
      code: "JOB_EXISTS",
      message: /^job a is queued; cancel it first/,
    });
    await assert.rejects(queue.remove("a"), { code: "JOB_RUNNING", message: /^job a is queued/ });
    assert.deepEqual(await site.taken(), ["a"]);
    const running = /^job a is running on worker; cancel it first/;
    await assert.rejects(site.submit("a"), { code: "JOB_EXISTS", message: running });
    await assert.rejects(queue.retry("a"), { code: "JOB_RUNNING", message: running });
    await assert.rejects(queue.remove("a"), { code: "JOB_RUNNING", message: running });
    assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 1 });
  });

  it("skips an entry stored under another job's id, and delivers the others", async (site) => {
    const { nats, queue } = site;
    await site.submit("a");
    const store = await new Kvm(nats.connection).open("EKSPRESI_JOBS");
    const stored = (await store.get("a"))?.string() ?? assert.fail("nothing is stored");
    await store.put("b", stored);
    await jetstream(nats.connection).publish("ekspresi.jobs.camera.b");
    await site.submit("c");
    assert.deepEqual(await site.taken(), ["a", "c"]);
    assert.equal(await queue.find("b"), undefined);
  });

  it("leaves a job of another version to a worker that can parse it, says so, and can remove it", async (site) => {
    const { nats, queue } = site;
    await site.submit("a");
    const store = await new Kvm(nats.connection).open("EKSPRESI_JOBS");
    await store.put("a", '{"id":"a","state":"paused"}');
    await site.submit("b");
    assert.deepEqual(await site.taken(), ["b"]);
    assert.deepEqual((await queue.waiting("camera")).held, 2); // b, and a, which is postponed
    assert.deepEqual(
      (await queue.list()).map((record) => (typeof record === "string" ? record : record.job.id)),
      ["a", "b"],
    );
    for (const act of [site.submit("a"), queue.cancel("a"), queue.retry("a")])
      await assert.rejects(act, { code: "JOB_UNREADABLE" });
    await queue.remove("a");
    await site.submit("a");
    assert.deepEqual(await site.taken(), ["a"]);
  });

  it("says how to retry a job that the server refused to queue", async (site) => {
    const { nats, queue, server } = site;
    const manager = await jetstreamManager(nats.connection);
    await manager.streams.update("EKSPRESI_JOBS", { max_msgs: 1 });
    await site.submit("a");
    await assert.rejects(site.submit("b"), {
      message: `${server.url}: job b could not be queued: maximum messages exceeded; retry with \`pipeline jobs retry b\``,
    });
    await manager.streams.update("EKSPRESI_JOBS", { max_msgs: -1 });
    await queue.retry("b");
    assert.deepEqual(await site.taken(), ["a", "b"]);
  });

  it("permanently removes a message with an invalid job id", async (site) => {
    const { nats, queue } = site;
    await jetstream(nats.connection).publish("ekspresi.jobs.camera.ä");
    await site.submit("a");
    assert.deepEqual(await site.taken(), ["a"]);
    assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 1 });
  });

  it("removes only the cancelled one of several waiting jobs", async (site) => {
    const { queue } = site;
    await site.submit("a", "b", "c", "d");
    await queue.cancel("b");
    await queue.cancel("c");
    await queue.retry("c");
    assert.deepEqual(await site.taken(), ["a", "d", "c"]);
  });

  it("delivers a job that is submitted again while it is being cancelled", async (site) => {
    const { queue } = site;
    await site.submit("a");
    site.interrupt(WRITE, (other) => other.submit("a", spec));
    await queue.cancel("a");
    assert.deepEqual(await site.taken(), ["a"]);
  });

  it("delivers a job that two submit or retry at a time, of whom one learns of the other", async (site) => {
    const { queue } = site;
    await site.submit("a");
    await queue.cancel("a");
    site.interrupt(READ, (other) => other.submit("a", spec));
    await assert.rejects(site.submit("a"), { code: "JOB_EXISTS" });
    assert.deepEqual(await site.taken(), ["a"]);
    await queue.cancel("a");
    site.interrupt(READ, (other) => other.retry("a"));
    await assert.rejects(queue.retry("a"), { code: "JOB_EXISTS", message: /^job a was just changed/ });
    assert.deepEqual(await site.taken(), ["a"]);
  });

  it("leaves a waiting job to a worker that takes it while it is being retried", async (site) => {
    const { queue } = site;
    await site.submit("a");
    site.interrupt(READ, async (other) => {
      const message = (await other.next("camera", 1000)) ?? assert.fail("no job");
      await other.claim(message, "worker", 5);
    });
    await assert.rejects(queue.retry("a"), { code: "JOB_EXISTS" });
    assert.deepEqual(await queue.waiting("camera"), { waiting: 0, held: 1 });
  });

  it("does not remove a job that is being retried", async (site) => {
    const { queue } = site;
    await site.submit("a");
    await queue.cancel("a");
    site.interrupt(READ, (other) => other.retry("a"));
    await assert.rejects(queue.remove("a"), { code: "JOB_EXISTS", message: /^job a was just changed/ });
    assert.deepEqual(await site.taken(), ["a"]);
    await queue.cancel("a");
    await queue.remove("a");
    assert.equal(await queue.find("a"), undefined);
  });

  it("does not take a retried job for the try that was cancelled, even on the same worker", async (site) => {
    const { queue } = site;
    await site.submit("a");
    const cancelled = await site.claim("worker");
    await queue.cancel("a");
    await queue.retry("a");
    const retried = await site.claim("worker");
    assert.equal(await queue.renew(cancelled, {}), undefined);
    assert(await queue.renew(retried, {}));
  });

  it("takes back, finishes or sets aside a job after a renewal whose answer was lost", async (site) => {
    const { queue } = site;
    await site.submit("a");
    const first = await site.claim("worker");
    await queue.renew(first, {});
    assert(await queue.giveBack(first, { failures: 0 }));
    const second = await site.claim("worker");
    assert.deepEqual([second.record.job.tries, second.record.job.failures], [2, 0]);
    await queue.renew(second, {});
    assert(await queue.setAside(second, "broken", 1));
    await queue.retry("a");
    const third = await site.claim("worker");
    await queue.renew(third, {});
    assert(await queue.finish(third));
    assert.equal((await queue.find("a"))?.job.state, "done");
  });

  it("has claimed a job even if the answer is lost", async (site) => {
    const { queue } = site;
    await site.submit("a");
    site.interrupt(WRITE, () => Promise.reject(new Error("timeout")));
    const claimed = await site.claim("worker");
    assert.deepEqual([claimed.record.job.state, claimed.record.job.tries], ["running", 1]);
    assert(await queue.renew(claimed, {}));
  });

  it("finishes a job even if nothing confirms that its message is removed", async (site) => {
    const { nats, queue } = site;
    await site.submit("a");
    const done = await site.claim("worker");
    await (await jetstreamManager(nats.connection)).consumers.delete("EKSPRESI_JOBS", "cameras");
    assert.equal(await queue.finish(done), true);
    assert.equal((await queue.find("a"))?.job.state, "done");
  });

  it("cancels a job whose message is already gone", async (site) => {
    const { nats, queue } = site;
    await site.submit("a");
    const message = (await queue.next("camera", 1000)) ?? assert.fail("no job");
    message.term();
    await nats.connection.flush();
    await queue.cancel("a");
    assert.equal((await queue.find("a"))?.job.state, "cancelled");
  });

  it(
    "counts a lost worker as a failure of its job, and finally sets the job aside",
    async (site) => {
      const { queue } = site;
      await site.submit("a");
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
    },
    LOST_SOON,
  );

  it("is recreated after the server has lost it, and then delivers jobs to those who had it open", async (site) => {
    const { nats, queue } = site;
    assert.equal(await queue.restore(), false);
    const manager = await jetstreamManager(nats.connection);
    for (const name of ["EKSPRESI_JOBS", "KV_EKSPRESI_JOBS"]) await manager.streams.delete(name);
    await assert.rejects(queue.next("camera", 1000));
    assert.equal(await queue.restore(), true);
    await site.submit("a");
    assert.deepEqual(await site.taken(), ["a"]);
    for (const name of ["EKSPRESI_JOBS", "KV_EKSPRESI_JOBS"]) {
      await manager.streams.delete(name);
      assert.equal(await queue.restore(), true, name);
    }
  });

  it("keeps to the ack wait of a queue that another has recreated", async (site) => {
    const { nats, queue } = site;
    const manager = await jetstreamManager(nats.connection);
    await manager.streams.delete("EKSPRESI_JOBS");
    await JobQueue.open(nats, { ackWaitMs: 3000 });
    await queue.restore();
    assert.deepEqual(queue.settings, { ackWaitMs: 3000, replicas: 1 });
  });

  it("lists each job once, by id, while jobs change", async (site) => {
    const { queue } = site;
    const ids = Array.from({ length: 20 }, (_, i) => `job-${String(i).padStart(2, "0")}`);
    await site.submit(...ids);
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

// One at a time, since the clock is that of the whole process.
describe("the job queue, on a machine whose clock is wrong", function () {
  this.timeout(60_000);
  before(function () {
    needsNatsServer(this);
  });

  for (const [clock, hours] of [
    ["fast", -1],
    ["slow", 1],
  ] as const)
    it(`does not count a worker lost because the server was away, but one lost afterwards, if its clock is ${clock}`, async () => {
      const now = Date.now;
      Date.now = () => now() + hours * 3_600_000;
      let site: Site | undefined;
      try {
        site = await Site.open(LOST_SOON);
        const { server, queue } = site;
        await site.submit("a");
        await site.claim("first", 1);
        await server.stop();
        await sleep(1500);
        await server.restart();
        let message: JsMsg | undefined;
        while (!message) message = await queue.next("camera", 1000).catch(() => undefined);
        const second = await queue.claim(message, "second", 1);
        assert(typeof second === "object", String(second));
        const { failures, reason } = second.record.job;
        assert.deepEqual([failures, reason], [0, "NATS was away while worker first was running the job"]);
        const { record } = await site.claim("third", 2);
        assert.deepEqual(
          [record.job.failures, record.job.reason],
          [1, "worker second was lost while running the job"],
        );
      } finally {
        await site?.close();
        Date.now = now;
      }
    });
});
