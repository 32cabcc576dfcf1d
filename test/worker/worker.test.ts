import assert from "node:assert/strict";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { EmotionEvent } from "#src/events/event.js";
import { type Job, JobQueue, type JobSpec } from "#src/jobs/index.js";
import { connectNats, type Nats } from "#src/nats/index.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";
import { storedMessages } from "../support/nats-stream.js";
import { RECORDING } from "../support/pictures.js";
import { together } from "../support/together.js";
import { CAMERA, eventTimes, until, WorkerProcess } from "../support/worker-process.js";

const OPERATORS = `
  - { type: sample, fps: 2 }
  - { type: detect, minSize: 25%, workers: 1 }
  - { type: track }
  - { type: classify, threads: 1 }
  - { type: events, on: sample, interval: 100ms }`;

/** Searches every frame, so that it takes seconds and can be interrupted. */
const recording = (
  sink = "{ type: jsonl, path: rec.jsonl }",
  source = "path: face.mp4, to: 20s",
): JobSpec => ({
  kind: "recording",
  file: "rec.yaml",
  yaml: `version: 1
sources: [{ type: file, ${source} }]
operators:${OPERATORS.replace("{ type: sample, fps: 2 }", "{ type: sample, fps: 100 }")}
sinks: [${sink}]
`,
  set: [],
});

/** A job queue on a server of its own, and workers. */
class Site {
  readonly server: NatsServer;
  readonly nats: Nats;
  readonly queue: JobQueue;
  readonly root = mkdtempSync(join(tmpdir(), "ekspresi-worker-"));
  readonly workers: WorkerProcess[] = [];

  private constructor(server: NatsServer, nats: Nats, queue: JobQueue) {
    this.server = server;
    this.nats = nats;
    this.queue = queue;
  }

  static async open(): Promise<Site> {
    const server = await NatsServer.start();
    const nats = await connectNats({ url: server.url }, { name: "test" });
    return new Site(server, nats, await JobQueue.open(nats));
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.kill()));
    await this.nats.close();
    await this.server.remove();
    rmSync(this.root, { recursive: true, force: true });
  }

  /** A worker with its own folder, to see which worker wrote what. */
  startWorker(
    name: string,
    flags: readonly string[] = [],
    folder = mkdtempSync(join(this.root, `${name}-`)),
    at: readonly string[] = [],
  ): WorkerProcess {
    copyFileSync(RECORDING, join(folder, "face.mp4"));
    const worker = new WorkerProcess(name, this.server.url, folder, flags, at);
    this.workers.push(worker);
    return worker;
  }

  async jobOf(id: string): Promise<Job> {
    const job = (await this.queue.find(id))?.job;
    assert(job, `job ${id}`);
    return job;
  }

  async queueIsEmpty(): Promise<boolean> {
    const { waiting, held } = await this.queue.waiting("recording");
    return waiting + held === 0;
  }

  /** Waits for something, and tells what the workers said if it does not come. */
  async until<T>(
    what: string,
    ask: () => T | undefined | false | Promise<T | undefined | false>,
    limitMs?: number,
  ): Promise<T> {
    const said = () => `${what}; the workers said:\n${this.workers.map(({ said }) => said).join("\n--\n")}`;
    return until(said, ask, limitMs);
  }
}

const lastOf = (times: readonly number[]) => times.at(-1) ?? Number.NEGATIVE_INFINITY;

describe("pipeline worker", function () {
  this.timeout(400_000);
  before(function () {
    needsNatsServer(this);
  });
  const it = together(3, Site.open);
  // Skipped elsewhere; tests that run together have no `this.skip()`.
  const itOnLinux = (title: string, test: (site: Site) => Promise<void>) =>
    process.platform === "linux" ? it(title, test) : specify.skip(title);

  it("shares six cameras between two workers; if one is killed, the other watches all, none twice at a time", async (site) => {
    const { queue } = site;
    const cameras = ["c1", "c2", "c3", "c4", "c5", "c6"];
    const [a, b] = [site.startWorker("a"), site.startWorker("b")];
    // Otherwise the first one may have taken all of them before the second is there.
    await site.until("both are there", () => [a, b].every(({ said }) => said.includes("jobs may write")));
    for (const id of cameras) await queue.submit(id, { ...CAMERA, set: [`sources.0.id=${id}`] });
    await site.until("each camera is watched", () =>
      cameras.every((id) => eventTimes(a, id).length + eventTimes(b, id).length > 0),
    );
    const lost = cameras.filter((id) => eventTimes(a, id).length > 0);
    assert(lost.length > 0 && lost.length < 6, `shared: a has ${lost.join()}`);
    a.child.kill("SIGKILL");
    const killedAtMs = Date.now();
    await site.until("b watches the cameras of a", () => lost.every((id) => eventTimes(b, id).length > 0));
    for (const id of cameras) {
      assert.equal((await site.jobOf(id)).worker, "b");
      if (!lost.includes(id)) continue;
      const [first = 0] = eventTimes(b, id);
      assert(first > lastOf(eventTimes(a, id)), `${id} was watched twice`);
      assert(first > killedAtMs, `${id} was watched by both before the death`);
    }
    const { tries, failures, reason } = await site.jobOf(lost[0] ?? "");
    assert.deepEqual([tries, failures], [2, 1]);
    assert.equal(reason, "worker a was lost while running the job");
  });

  it("stops its cameras when suspended for longer than its lease, and leaves them to the other on waking", async (site) => {
    const { queue } = site;
    await queue.submit("door", CAMERA);
    const a = site.startWorker("a");
    await site.until("a watches", () => eventTimes(a, "door").length > 0);
    const b = site.startWorker("b");
    await site.until("b is there", () => b.said.includes("jobs may write"));
    a.child.kill("SIGSTOP");
    await site.until("b watches", () => eventTimes(b, "door").length > 0);
    const [taken = 0] = eventTimes(b, "door");
    assert(
      taken > lastOf(eventTimes(a, "door")),
      "its process had ended before, though its worker stood still",
    );
    const seen = eventTimes(a, "door").length;
    a.child.kill("SIGCONT");
    await site.until("a noticed", () => a.said.includes("door: lost"));
    const more = eventTimes(b, "door").length + 3;
    await site.until("b goes on", () => eventTimes(b, "door").length > more);
    assert.equal(eventTimes(a, "door").length, seen);
    assert.equal((await site.jobOf("door")).worker, "b");
  });

  it("hands over its camera at once when stopped, without counting a failure, and exits with 0", async (site) => {
    const { queue } = site;
    await queue.submit("door", CAMERA);
    const a = site.startWorker("a");
    await site.until("a watches", () => eventTimes(a, "door").length > 0);
    const b = site.startWorker("b");
    await site.until("b is there", () => b.said.includes("jobs may write"));
    a.child.kill("SIGTERM");
    assert.equal(await a.ended, 0, a.said);
    await site.until("b watches", () => eventTimes(b, "door").length > 0);
    assert((eventTimes(b, "door")[0] ?? 0) > lastOf(eventTimes(a, "door")));
    const { failures, reason, worker } = await site.jobOf("door");
    assert.deepEqual([failures, reason, worker], [0, undefined, "b"]);
  });

  it("waits no longer than its recordings take, whatever its grace", async (site) => {
    const { queue } = site;
    const a = site.startWorker("a", ["--grace", "1h"]);
    await queue.submit("short", recording(undefined, "path: face.mp4, to: 1s"));
    await site.until("a processes it", async () => (await site.jobOf("short")).state === "running");
    a.child.kill("SIGTERM");
    await site.until("a has ended", () => a.child.exitCode !== null, 60_000);
    assert.equal(a.child.exitCode, 0);
    assert.equal((await site.jobOf("short")).state, "done");
  });

  // With setsid.
  itOnLinux(
    "finishes a recording within its grace after a Ctrl-C, which reaches all processes of its group",
    async (site) => {
      const { queue } = site;
      const a = site.startWorker("a", ["--grace", "10m"], undefined, ["setsid"]);
      await queue.submit("rec", recording());
      await site.until("a writes", () =>
        existsSync(join(a.folder, ".ekspresi-jobs", "rec", "1-a", "rec.jsonl")),
      );
      process.kill(-(a.child.pid ?? Number.NaN), "SIGINT");
      assert.equal(await a.ended, 0, a.said);
      const { state, tries, reason } = await site.jobOf("rec");
      assert.deepEqual([state, tries, reason], ["done", 1, undefined], a.said);
    },
  );

  for (const [signals, code] of [
    [1, 0],
    [2, 130],
  ] as const)
    it(`ends within seconds while the server is away (${signals} x SIGINT)`, async (site) => {
      const { queue, server } = site;
      await queue.submit("door", CAMERA);
      const a = site.startWorker("a");
      await site.until("a watches", () => eventTimes(a, "door").length > 0);
      await server.kill();
      await site.until("a has noticed", () => a.said.includes("connection lost"));
      await sleep(3000); // until a pull is waiting for the server
      for (let n = 0; n < signals; n++) {
        a.child.kill("SIGINT");
        await sleep(100);
      }
      await site.until("a has ended", () => a.child.exitCode !== null, 30_000);
      assert.equal(a.child.exitCode, code, a.said);
      await server.restart();
    });

  it("stops watching a cancelled camera, which can be submitted again", async (site) => {
    const { queue } = site;
    await queue.submit("door", CAMERA);
    const a = site.startWorker("a");
    await site.until("a watches", () => eventTimes(a, "door").length > 0);
    await assert.rejects(queue.submit("door", CAMERA), {
      code: "JOB_EXISTS",
      message: /running on a; cancel it first/,
    });
    await queue.cancel("door");
    await site.until("a stops", () => a.said.includes("door: cancelled"));
    const seen = eventTimes(a, "door").length;
    await queue.submit("door", CAMERA);
    await site.until("a watches again", () => eventTimes(a, "door").length > seen);
    assert.equal((await site.jobOf("door")).tries, 1);
  });

  for (const [how, end] of [
    ["is cancelled", ({ queue }: Site) => queue.cancel("mute")],
    [
      "crashes",
      ({ workers }: Site) => {
        const [a] = workers;
        const children = readFileSync(`/proc/${a?.child.pid}/task/${a?.child.pid}/children`, "utf8");
        process.kill(Number(children.split(" ")[0]), "SIGKILL");
      },
    ],
  ] as const)
    itOnLinux(`leaves no connection to a camera that sends nothing when its job ${how}`, async (site) => {
      const { queue } = site;
      let closed = false;
      const camera = createServer((socket) => {
        socket
          .on("error", () => {})
          .on("close", () => {
            closed = true;
          });
        socket.resume();
      }).listen(0, "127.0.0.1");
      const connected = once(camera, "connection");
      await once(camera, "listening");
      const { port } = camera.address() as AddressInfo;
      await queue.submit("mute", {
        ...CAMERA,
        yaml: CAMERA.yaml.replace(
          "type: test, path: face.mp4",
          `type: rtsp, url: "rtsp://127.0.0.1:${port}/"`,
        ),
      });
      site.startWorker("a");
      await connected;
      await end(site);
      await site.until("its ffmpeg has ended", () => closed, 8000);
      camera.close();
    });

  it("redoes a recording whose worker was killed: one complete output with the ids of an undisturbed run", async (site) => {
    const { queue, root, server, workers } = site;
    const shared = mkdtempSync(join(root, "shared-"));
    const lines = () => readFileSync(join(shared, "rec.jsonl"), "utf8").split("\n").slice(0, -1);
    const ids = () => lines().map((line) => (JSON.parse(line) as EmotionEvent).id);
    const pieces = () => readdirSync(join(shared, ".ekspresi-jobs"), { recursive: true, encoding: "utf8" });
    await queue.submit("calm", recording());
    site.startWorker("a", [], shared);
    await site.until("calm is done", async () => (await site.jobOf("calm")).state === "done");
    const expected = ids();
    assert(expected.length > 20, String(expected.length));
    writeFileSync(join(shared, "rec.jsonl"), "an earlier result\n");

    const published = async () => {
      const stored = await storedMessages(server.port, "EMOTION").catch(() => []); // the stream does not exist yet
      return stored.map(({ data }) => (JSON.parse(data) as EmotionEvent).id);
    };
    const stream = `{ type: nats, url: "${server.url}", stream: { name: EMOTION, create: true } }`;
    await queue.submit("rec", recording(`{ type: jsonl, path: rec.jsonl }, ${stream}`));
    await site.until("some events are published", async () => (await published()).length > 2);
    assert(pieces().some((file) => file.endsWith("rec.jsonl")));
    workers[0]?.child.kill("SIGKILL");
    assert.equal(readFileSync(join(shared, "rec.jsonl"), "utf8"), "an earlier result\n");
    site.startWorker("b", [], shared);
    await site.until("it is done", async () => (await site.jobOf("rec")).state === "done");
    assert.deepEqual(ids(), expected);
    assert.deepEqual(await published(), expected, "none is lost, none is there twice");
    assert.deepEqual(pieces(), []);
    assert.equal((await site.jobOf("rec")).tries, 2);
    await site.until("the queue is empty", () => site.queueIsEmpty()); // a job's state is stored before its message is settled
  });

  it("keeps nothing of a recording that was cancelled", async (site) => {
    const { queue } = site;
    const a = site.startWorker("a");
    const pieces = () => readdirSync(join(a.folder, ".ekspresi-jobs"), { recursive: true });
    await queue.submit("rec", recording());
    await site.until("a writes", () =>
      existsSync(join(a.folder, ".ekspresi-jobs", "rec", "1-a", "rec.jsonl")),
    );
    await queue.cancel("rec");
    await site.until("a has stopped", () => a.said.includes("\nrec: cancelled\n"));
    assert.deepEqual(pieces(), []);
    assert(!existsSync(join(a.folder, "rec.jsonl")));
  });

  it("sets aside a job that fails every time, with the reason, until it is retried", async (site) => {
    const { queue } = site;
    await queue.submit("broken", recording(undefined, "path: nothing.mp4"));
    const a = site.startWorker("a", ["--tries", "2"]);
    await site.until("set aside", async () => (await site.jobOf("broken")).state === "failed");
    const { tries, failures, reason } = await site.jobOf("broken");
    assert.deepEqual([tries, failures], [2, 2]);
    assert.match(reason ?? "", /nothing\.mp4: no such file; check `path`$/);
    await site.until("the queue is empty", () => site.queueIsEmpty()); // a job's state is stored before its message is settled
    copyFileSync(RECORDING, join(a.folder, "nothing.mp4"));
    await queue.retry("broken");
    await site.until("done", async () => (await site.jobOf("broken")).state === "done");
  });

  it("rejects at once jobs that would leave its folder, and invalid pipelines", async (site) => {
    const { queue } = site;
    await queue.submit("out", recording("{ type: jsonl, path: ../rec.jsonl }"));
    await queue.submit("in", recording(undefined, "path: /etc/passwd"));
    await queue.submit(
      "port",
      recording('{ type: web, listen: "0.0.0.0:8088", token: secret-secret-secret }'),
    );
    await queue.submit("wrong", { ...recording(), yaml: "version: 1" });
    const a = site.startWorker("a");
    for (const [id, said] of [
      ["out", /^rec\.yaml:\d+:\d+: jsonl: .*rec\.jsonl: on this worker, jobs may only write to /],
      ["in", /file: \/etc\/passwd: on this worker, jobs may only read from /],
      ["port", /web: a job cannot open a port on its worker/],
      ["wrong", /rec\.yaml:1:1: `sources` is missing/],
    ] as const) {
      const job = await site.until(`${id} is refused`, async () => {
        const found = await site.jobOf(id);
        return found.state === "failed" ? found : undefined;
      });
      assert.equal(job.tries, 1);
      assert.match(job.reason ?? "", said);
    }
    assert.doesNotMatch(a.said, /^ +at /m);
    assert(!existsSync(join(a.folder, "..", "rec.jsonl")));
  });

  it("is not ready while JetStream is disabled, says why, and recreates a queue the server has lost", async (site) => {
    const { queue, server } = site;
    const a = site.startWorker("a", ["--metrics", "0"]);
    const url = await site.until("a is there", () => /metrics at (\S+)\/metrics/.exec(a.said)?.[1]);
    const readiness = async () => (await (await fetch(`${url}/readyz`)).text()).trim();
    await site.until("a is ready", async () => (await readiness()) === "ready");
    const conf = join(server.folder, "server.conf");
    const withJetStream = readFileSync(conf);
    await server.stop();
    writeFileSync(conf, "");
    await server.restart();
    await site.until("a is not ready", async () =>
      /queue cannot be used: jetstream/i.test(await readiness()),
    );
    await server.stop();
    writeFileSync(conf, withJetStream);
    rmSync(join(server.folder, "js"), { recursive: true });
    await server.restart();
    await site.until("a is ready again", async () => (await readiness()) === "ready");
    assert.equal(a.said.split("queue was missing on the server and has been recreated").length, 2);
    await queue.submit("door", CAMERA);
    await site.until("a watches", () => eventTimes(a, "door").length > 0);
  });

  it("waits at its start for a server that refuses the queue, says why, and is not ready meanwhile", async (site) => {
    const { server } = site;
    const conf = join(server.folder, "server.conf");
    const withJetStream = readFileSync(conf);
    await server.stop();
    writeFileSync(conf, "");
    await server.restart();
    const a = site.startWorker("a", ["--metrics", "0"]);
    const url = await site.until("a is there", () => /metrics at (\S+)\/metrics/.exec(a.said)?.[1]);
    const readiness = async () => (await (await fetch(`${url}/readyz`)).text()).trim();
    await site.until("a is not ready", async () => /JetStream is disabled/.test(await readiness()));
    assert.match(a.said, /JetStream is disabled.*; retrying until it is available$/m);
    await server.stop();
    writeFileSync(conf, withJetStream);
    await server.restart();
    await site.until("a is ready", async () => (await readiness()) === "ready");
    assert.equal(a.said.split("JetStream is disabled").length, 2);
  });

  it("recreates the half of the queue that the server has lost", async (site) => {
    const { nats, queue } = site;
    const a = site.startWorker("a");
    await site.until("a is there", () => a.said.includes("jobs may write"));
    await (await jetstreamManager(nats.connection)).streams.delete("KV_EKSPRESI_JOBS");
    await jetstream(nats.connection).publish("ekspresi.jobs.camera.lost");
    await site.until("a has noticed", () => a.said.includes("missing on the server and has been recreated"));
    await queue.submit("door", CAMERA);
    await site.until("a watches", () => eventTimes(a, "door").length > 0);
  });

  it("says that an existing queue has other settings than those asked for", async (site) => {
    const a = site.startWorker("a", ["--ack-wait", "10s", "--replicas", "3"]);
    const b = site.startWorker("b", ["--ack-wait", "6s", "--replicas", "1"]);
    await site.until("both are there", () => [a, b].every(({ said }) => said.includes("jobs may write")));
    assert.match(a.said, /--ack-wait 10s has no effect, since the job queue exists with 6s; change it with /);
    assert.match(a.said, /--replicas 3 has no effect, since the job queue exists with 1; change it with /);
    assert.doesNotMatch(b.said, /no effect/);
  });

  it("gives two cameras of one pipeline separate spools", async (site) => {
    const { queue, server } = site;
    const yaml = `version: 1
sources: [{ type: test, size: 160x120, fps: 5 }]
operators:${OPERATORS}
sinks: [{ type: nats, url: "${server.url}", stream: { name: EMOTION, create: true } }]
`;
    for (const id of ["c1", "c2"])
      await queue.submit(id, { kind: "camera", file: "lobby.yaml", yaml, set: [] });
    const { folder } = site.startWorker("a");
    for (const id of ["c1", "c2"]) {
      const job = await site.until(`${id} runs`, async () => {
        const now = await site.jobOf(id);
        return now.failures > 0 || (now.progress?.fps ?? 0) > 0 ? now : undefined;
      });
      assert.equal(job.failures, 0, job.reason);
    }
    assert.deepEqual(readdirSync(join(folder, ".spool")).sort(), ["c1", "c2"]);
  });

  it("keeps watching its cameras while the server is away for less than the ack wait", async (site) => {
    const { queue, server } = site;
    await queue.submit("door", CAMERA);
    const a = site.startWorker("a");
    await site.until("a watches", () => eventTimes(a, "door").length > 0);
    await server.kill();
    await server.restart();
    const seen = eventTimes(a, "door").length;
    const renewed =
      (await until("the server is back", () => queue.find("door").catch(() => undefined)))?.revision ?? 0;
    await site.until("renewed", async () => ((await queue.find("door"))?.revision ?? 0) > renewed);
    await site.until("a goes on", () => eventTimes(a, "door").length > seen);
    assert.deepEqual([(await site.jobOf("door")).tries, (await site.jobOf("door")).worker], [1, "a"]);
  });
});
