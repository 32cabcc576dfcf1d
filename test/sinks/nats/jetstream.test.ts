import assert from "node:assert/strict";
import {
  mkdtempSync,
  type PathLike,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import type { EmotionEvent } from "#src/events/event.js";
import type { Sink } from "#src/pipeline/component.js";
import { nats } from "#src/sinks/nats/index.js";
import { Spool } from "#src/sinks/nats/spool.js";
import { testContext } from "../../support/context.js";
import { eventOf } from "../../support/event.js";
import { withFiles } from "../../support/machine.js";
import { freePort, NatsServer, needsNatsServer } from "../../support/nats-server.js";
import { storedMessages } from "../../support/nats-stream.js";
import { together } from "../../support/together.js";

type Options = Parameters<typeof nats.build>[0];

/** A server and a folder for the spool. */
class Site {
  readonly server: NatsServer;
  readonly folder = mkdtempSync(join(tmpdir(), "ekspresi-"));

  private constructor(server: NatsServer) {
    this.server = server;
  }

  static async open(config?: string): Promise<Site> {
    return new Site(await NatsServer.start(config === undefined ? {} : { config }));
  }

  async close(): Promise<void> {
    await this.server.remove();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async opened(options: Partial<Options> = {}, { live = false } = {}) {
    const { context, logged } = testContext({ id: "nats", live });
    const sink = await nats.build(
      {
        url: this.server.url,
        stream: { name: "EMOTION", create: true },
        spool: { path: join(this.folder, "spool"), size: 64e6 },
        ...options,
      },
      context,
    );
    return { sink, logged };
  }

  stored() {
    return storedMessages(this.server.port, "EMOTION");
  }

  /** Each event once, and in order within its track. */
  async assertAll(from: number, to: number): Promise<void> {
    const frames = (await this.stored()).map(({ data }) => JSON.parse(data) as EmotionEvent);
    assert.equal(frames.length, to - from);
    for (const track of [1, 2, 3]) {
      const own = frames.flatMap(({ data }) => (data.track === track ? [data.frame] : []));
      const wanted = Array.from({ length: to - from }, (_, i) => from + i).filter(
        (n) => 1 + (n % 3) === track,
      );
      assert.deepEqual(own, wanted);
    }
  }
}

/** Events of several tracks, each track in order of `frame`. */
async function write(sink: Sink<EmotionEvent>, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await sink.write(eventOf(n, { track: 1 + (n % 3) }));
}
async function until(what: () => boolean): Promise<void> {
  while (!what()) await sleep(5);
}

/** A disk with room for so many records; a deleted file makes room for ten. */
function smallDisk(records: number) {
  const real = { writeSync, unlinkSync };
  const disk = {
    records,
    writeSync: ((...args: [number, Uint8Array, number, number, number]) => {
      const isRecord = args[3] > 12;
      if (isRecord && disk.records <= 0) throw Object.assign(new Error("full"), { code: "ENOSPC" });
      if (isRecord) disk.records--;
      return real.writeSync(...args);
    }) as typeof writeSync,
    unlinkSync: (path: PathLike) => {
      disk.records += 10;
      real.unlinkSync(path);
    },
  };
  return disk;
}

const MAY_NOT_PUBLISH = `authorization { users: [{ user: me, password: pw, permissions: { publish: ["$JS.API.>"], subscribe: ">" } }] }`;

describe("the nats sink with a stream", function () {
  this.timeout(60_000);
  before(function () {
    needsNatsServer(this);
  });
  const it = together(8, Site.open);

  it("stores every event once, as a structured CloudEvent under its subject, and leaves nothing in the spool", async (site) => {
    const { folder } = site;
    const { sink } = await site.opened();
    await write(sink, 0, 3000);
    await sink.close(true);
    await site.assertAll(0, 3000);
    const [first] = await site.stored();
    assert.equal(first?.subject, "emotion.door.1");
    assert.deepEqual(first?.headers, {
      "Nats-Msg-Id": "event-0",
      "Content-Type": "application/cloudevents+json",
    });
    assert.deepEqual(JSON.parse(first?.data ?? ""), eventOf(0, { track: 1 }));
    assert.deepEqual(readdirSync(join(folder, "spool")).sort(), ["delivered", "lock"]);
    assert.deepEqual(sink.figures?.(), { waiting: 0, dropped: 0, duplicates: 0 });
  });

  it("sends the data as payload and the attributes as ce- headers in binary mode", async (site) => {
    const { sink } = await site.opened({ format: "binary" });
    await sink.write({ ...eventOf(1), subject: "door/3 %é" });
    await sink.close(true);
    const [message] = await site.stored();
    assert.deepEqual(message?.headers, {
      "Nats-Msg-Id": "event-1",
      "ce-specversion": "1.0",
      "ce-id": "event-1",
      "ce-source": "/pipelines/test/sources/door",
      "ce-type": "dev.ekspresi.emotion.changed",
      "ce-time": "2026-01-01T00:00:00.000Z",
      "ce-datacontenttype": "application/json",
      "ce-subject": "door/3%20%25%C3%A9",
    });
    assert.deepEqual(JSON.parse(message?.data ?? ""), eventOf(1).data);
  });

  it("stores an event only once if it is written again", async (site) => {
    for (let run = 0; run < 2; run++) {
      const { sink } = await site.opened();
      await write(sink, 0, 50);
      await sink.close(true);
      assert.equal(sink.figures?.().duplicates, run * 50);
    }
    await site.assertAll(0, 50);
  });

  for (const [name, fault] of [
    ["killed with SIGKILL", (s: NatsServer) => s.kill()],
    ["stopped with SIGTERM", (s: NatsServer) => s.stop()],
  ] as const)
    it(`loses and duplicates nothing, and keeps the order within tracks, if the server is ${name}`, async (site) => {
      const { server } = site;
      const { sink, logged } = await site.opened();
      for (let round = 0; round < 3; round++) {
        await write(sink, round * 1000, round * 1000 + 500);
        const ended = fault(server);
        await write(sink, round * 1000 + 500, round * 1000 + 1000);
        await ended;
        await server.restart();
      }
      await sink.close(true);
      await site.assertAll(0, 3000);
      assert(logged.some((line) => /^warn nats: .*; events wait in .*spool; retrying$/.test(line)));
      assert(logged.some((line) => line === `info nats: ${server.url}: connected`));
    });

  it("continues over a new connection with a server that was hanging", async (site) => {
    const { server } = site;
    const { sink } = await site.opened();
    await write(sink, 0, 300);
    server.pause();
    for (let n = 300; n < 600; n++)
      assert.equal(sink.write(eventOf(n, { track: 1 + (n % 3) })), undefined, "no frame waits for it");
    await sleep(6500); // until we reconnect
    server.resume();
    await write(sink, 600, 900);
    await sink.close(true);
    await site.assertAll(0, 900);
  });

  it("waits for a server that is away at the start", async (site) => {
    const { server } = site;
    await server.stop();
    const { sink, logged } = await site.opened();
    await write(sink, 0, 100);
    assert.match(
      logged[0] ?? "",
      /^warn nats: nats:\/\/.*: connection refused; .*; events wait in .*; retrying$/,
    );
    await server.restart();
    await sink.close(true);
    await site.assertAll(0, 100);
  });

  it("waits at the start for a cluster that has no leader", async (site) => {
    const { server } = site;
    const conf = join(server.folder, "server.conf");
    const alone = readFileSync(conf);
    const [own, other] = [await freePort(), await freePort()];
    await server.stop();
    writeFileSync(
      conf,
      `${alone}\nserver_name: a\ncluster { name: c, listen: "127.0.0.1:${own}", routes: ["nats://127.0.0.1:${other}"] }`,
    );
    await server.restart();
    const { sink, logged } = await site.opened();
    assert.match(logged[0] ?? "", /JetStream does not answer: .*; events wait in .*; retrying$/);
    await write(sink, 0, 10);
    await server.stop();
    writeFileSync(conf, alone);
    await server.restart();
    await sink.close(true);
    await site.assertAll(0, 10);
  });

  it("says why a server ends its connections, and asks it less and less often", async (site) => {
    const { sink, logged } = await site.opened({ subject: `emotion.${"x".repeat(4100)}` });
    await sink.write(eventOf(1, { track: 1 }));
    await sleep(3000);
    const lost = logged.filter((line) =>
      /connection lost \(maximum control line exceeded\); events wait/.test(line),
    );
    assert(lost.length > 1 && lost.length < 8, logged.join("\n"));
    await assert.rejects(async () => sink.close(true), {
      message: /1 events not sent \(.*maximum control line exceeded/,
    });
  });

  it("reports at its end how many events it keeps, and sends them first the next time", async (site) => {
    const { folder, server } = site;
    const { sink } = await site.opened();
    await server.stop();
    await write(sink, 0, 100);
    await assert.rejects(Promise.resolve(sink.close(true)), {
      code: "SINK_UNSENT",
      message: new RegExp(
        `^nats: 100 events not sent \\(.*refused.*\\); they are kept in ${folder}/spool, and the next run`,
      ),
    });
    await server.restart();
    const again = await site.opened();
    assert.match(again.logged[0] ?? "", /^info .*sending 100 events of an earlier run$/);
    await write(again.sink, 100, 200);
    await again.sink.close(true);
    await site.assertAll(0, 200);
  });

  it("pauses a recording while the spool is full, until the server is back", async (site) => {
    const { folder, server } = site;
    const { sink, logged } = await site.opened({ spool: { path: join(folder, "spool"), size: 20_000 } });
    await server.stop();
    let written = 0;
    const writing = (async () => {
      for (let n = 0; n < 100; n++) {
        await sink.write(eventOf(n, { track: 1 + (n % 3) }));
        written++;
      }
    })();
    await until(() =>
      logged.some((line) => /the spool is full \(20000 bytes\); the sources wait/.test(line)),
    );
    const before = written;
    await sleep(50);
    assert.equal(written, before);
    assert(before > 20 && before < 50, String(before));
    await server.restart();
    await writing;
    await sink.close(true);
    await site.assertAll(0, 100);
  });

  it("drops and counts a camera's oldest events when the spool is full", async (site) => {
    const { folder, server } = site;
    const { sink, logged } = await site.opened(
      { spool: { path: join(folder, "spool"), size: 20_000 } },
      { live: true },
    );
    await server.stop();
    await write(sink, 0, 100);
    assert(logged.some((line) => /dropping the oldest events/.test(line)));
    const { dropped = 0, waiting = 0 } = sink.figures?.() ?? {};
    assert(dropped > 50, String(dropped));
    assert.equal(dropped + waiting, 100);
    await server.restart();
    await sink.close(true);
    await site.assertAll(dropped, 100);
  });

  it("reports that its spool has been deleted", async (site) => {
    const { folder } = site;
    const { sink } = await site.opened({ spool: { path: join(folder, "spool"), size: 20_000 } });
    await write(sink, 0, 10);
    rmSync(join(folder, "spool"), { recursive: true });
    await assert.rejects(write(sink, 10, 1000), {
      code: "SINK_WRITE",
      message: /the spool .* cannot be written: its folder does not exist/,
    });
    await until(() => sink.figures?.().waiting === 0);
    await sink.close(false);
  });

  it("holds events back while the stream is full, and reports it once", async (site) => {
    const { server } = site;
    const { sink, logged } = await site.opened({
      stream: { name: "EMOTION", create: true, maxMessages: 50, whenFull: "refuse" },
    });
    await write(sink, 0, 80);
    await until(() =>
      logged.some((line) => /stream EMOTION refuses events: maximum messages exceeded; /.test(line)),
    );
    const connection = await connect({ port: server.port });
    const manager = await jetstreamManager(connection);
    await sleep(700); // for some retries
    assert.equal((await manager.streams.info("EMOTION")).state.messages, 50);
    assert.equal(logged.filter((line) => /refuses events/.test(line)).length, 1);
    const first = await site.stored();
    await manager.streams.purge("EMOTION");
    await connection.close();
    await sink.close(true);
    const frames = [...first, ...(await site.stored())].map(
      ({ data }) => (JSON.parse(data) as EmotionEvent).data,
    );
    assert.equal(frames.length, 80);
    for (const track of [1, 2, 3]) {
      const own = frames.filter((data) => data.track === track).map(({ frame }) => frame);
      assert.deepEqual(
        own,
        own.toSorted((a, b) => a - b),
      );
    }
  });

  for (const reply of ["{}", "ok"])
    it(`takes no subscriber's reply (${reply}) for the stream's answer`, async (site) => {
      const { server } = site;
      const connection = await connect({ port: server.port });
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: "EMOTION", subjects: ["emotion.>"], max_msgs: 1, discard: "new" });
      connection.subscribe("emotion.>", { callback: (_, message) => void message.respond(reply) });
      await connection.flush();
      const { sink } = await site.opened({ stream: { name: "EMOTION" } });
      await write(sink, 0, 6);
      await until(() => sink.figures?.().waiting === 5);
      await manager.streams.update("EMOTION", { max_msgs: 100 });
      await sink.close(true);
      await connection.close();
      await site.assertAll(0, 6);
    });

  it("no longer blames a refusal once a server that has started again accepts events", async (site) => {
    const { server } = site;
    const connection = await connect({ port: server.port });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "EMOTION", subjects: ["emotion.>"], max_msgs: 1, discard: "new" });
    const { sink, logged } = await site.opened({ stream: { name: "EMOTION" } });
    await write(sink, 0, 3);
    await until(() => logged.some((line) => line.includes("refuses events")));
    await manager.streams.update("EMOTION", { max_msgs: 100 });
    await connection.close();
    await server.stop();
    await server.restart();
    await until(() => sink.figures?.().waiting === 0);
    await server.stop();
    await write(sink, 3, 4);
    await assert.rejects(
      async () => sink.close(true),
      /1 events not sent \(nats:.*connection (lost|refused)/,
    );
  });

  it("leaves behind a damaged record that no event follows", async (site) => {
    const { folder } = site;
    const path = join(folder, "spool");
    const spool = await Spool.open("nats", path, { maxBytes: 64e6 });
    spool.append(Buffer.from(JSON.stringify(eventOf(1))));
    spool.close();
    const segment = join(path, "0000000000000001.spool");
    writeFileSync(segment, readFileSync(segment).fill(0, 20));
    const { sink, logged } = await site.opened();
    await sink.close(true);
    assert(logged.some((line) => /: skipped \d+ damaged bytes$/.test(line)));
    assert.deepEqual(readdirSync(path).sort(), ["delivered", "lock"]);
  });

  it("does not take a stream that is full for accepting again when the spool has dropped what it refused", async (site) => {
    const { folder, server } = site;
    const { sink, logged } = await site.opened(
      {
        stream: { name: "EMOTION", create: true, maxMessages: 1, whenFull: "refuse" },
        spool: { path: join(folder, "spool"), size: 20_000 },
      },
      { live: true },
    );
    for (let n = 0; n < 600; n++) {
      await sink.write(eventOf(n));
      await sleep(2);
    }
    const said = logged.filter((line) => /refuses events|accepts events again/.test(line));
    assert.equal(said.length, 1, said.join("\n"));
    const connection = await connect({ port: server.port });
    await (await jetstreamManager(connection)).streams.update("EMOTION", { max_msgs: 1000 });
    await connection.close();
    await sink.close(true);
    assert.equal(logged.filter((line) => /accepts events again/.test(line)).length, 1);
    assert.equal((await site.stored()).length, 600 - (sink.figures?.().dropped ?? 0));
  });

  it("goes on trying a full stream when the spool drops the very event it tries it with", async (site) => {
    const { folder, server } = site;
    const connection = await connect({ port: server.port });
    const { streams } = await jetstreamManager(connection);
    await streams.add({ name: "EMOTION", subjects: ["emotion.>"], max_msgs: 1, discard: "new" });
    const { sink, logged } = await site.opened(
      { stream: { name: "EMOTION" }, spool: { path: join(folder, "spool"), size: 20_000 } },
      { live: true },
    );
    await write(sink, 0, 5);
    await until(() => logged.some((line) => line.includes("refuses events")));
    server.pause();
    await sleep(1500); // by now one is on its way
    const dropped = sink.figures?.().dropped ?? 0;
    await write(sink, 5, 200);
    assert((sink.figures?.().dropped ?? 0) > dropped + 5);
    server.resume();
    await streams.update("EMOTION", { max_msgs: 1000 });
    await connection.close();
    await until(() => sink.figures?.().waiting === 0);
    await sink.close(true);
    assert.equal(logged.filter((line) => /no acknowledgement/.test(line)).length, 0, logged.join("\n"));
  });

  it("recreates its stream if it was deleted", async (site) => {
    const { server } = site;
    const { sink, logged } = await site.opened();
    await write(sink, 0, 10);
    await until(() => sink.figures?.().waiting === 0);
    const connection = await connect({ port: server.port });
    await (await jetstreamManager(connection)).streams.delete("EMOTION");
    await connection.close();
    await write(sink, 10, 20);
    await sink.close(true);
    await site.assertAll(10, 20);
    assert(logged.some((line) => /no stream holds its subject any more/.test(line)));
  });

  it("creates the stream as configured", async (site) => {
    const { server } = site;
    const { sink } = await site.opened({
      subject: "people.{pipeline}.x-{source}.{track}.{label}",
      stream: {
        name: "PEOPLE",
        create: true,
        maxAge: 3_600_000,
        maxBytes: 1e6,
        maxMessages: 1000,
        duplicateWindow: 60_000,
        storage: "memory",
        whenFull: "refuse",
      },
    });
    await sink.close(true);
    const connection = await connect({ port: server.port });
    const { config } = await (await jetstreamManager(connection)).streams.info("PEOPLE");
    await connection.close();
    const { subjects, max_age, max_bytes, max_msgs, duplicate_window, storage, discard, retention } = config;
    assert.deepEqual(
      { subjects, max_age, max_bytes, max_msgs, duplicate_window, storage, discard, retention },
      {
        subjects: ["people.*.*.*.*"],
        max_age: 3600e9,
        max_bytes: 1e6,
        max_msgs: 1000,
        duplicate_window: 60e9,
        storage: "memory",
        discard: "new",
        retention: "limits",
      },
    );
  });

  it("reports a stream that does not match in one line, and changes nothing", async (site) => {
    const { server } = site;
    const connection = await connect({ port: server.port });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "EMOTION", subjects: ["emotion.>"], max_age: 86_400e9, max_msgs: 10 });
    const before = (await manager.streams.info("EMOTION")).config;
    const wrong: [Partial<Options>, RegExp][] = [
      [{ stream: { name: "NONE" } }, /stream NONE does not exist; create it, or set `create: true`$/],
      [
        { stream: { name: "OTHER", create: true } },
        /stream OTHER cannot be created: another stream \(EMOTION\) already accepts emotion\.\*\.\*$/,
      ],
      [
        { stream: { name: "EMOTION", create: true, maxAge: 7 * 86_400_000, maxMessages: 20, replicas: 1 } },
        /stream EMOTION exists with different limits and is not changed: maxAge is 1d, not 7d, maxMessages is 10, not 20; /,
      ],
      [
        { stream: { name: "EMOTION", maxAge: 7 * 86_400_000 } },
        /stream EMOTION exists with different limits and is not changed: maxAge is 1d, not 7d; remove them here, /,
      ],
      [
        { stream: { name: "EMOTION" }, subject: "people.{track}" },
        /stream EMOTION accepts emotion\.>, not people\.\*$/,
      ],
      [
        { subject: "emotion..{track}" },
        /^`subject` is "emotion\.\.\{track\}": it has an empty token; put text between the dots$/,
      ],
      [{ subject: "emotion.{person}" }, /unknown field \{person\}; allowed: \{pipeline\}, \{source\}, /],
    ];
    for (const [options, line] of wrong)
      await assert.rejects(site.opened(options), (error: Error) => {
        assert.match(error.message, line);
        assert(!error.message.includes("\n"));
        return true;
      });
    assert.deepEqual((await manager.streams.info("EMOTION")).config, before);
    await connection.close();
    const { sink } = await site.opened({ stream: { name: "EMOTION", create: true } });
    await sink.close(true);
  });

  it(
    "stops with a one-line error if publishing is not permitted",
    async (site) => {
      const { sink } = await site.opened({ user: "me", password: "pw" });
      await sink.write(eventOf(1));
      let failure = "";
      while (!failure) {
        await sleep(10);
        try {
          await sink.write(eventOf(2));
        } catch (error) {
          failure = (error as Error).message;
        }
      }
      assert.match(
        failure,
        /^nats: .*this login lacks permission: Permissions Violation for Publish to "emotion\.door\.3"$/,
      );
      await assert.rejects(Promise.resolve(sink.close(true)), /events not sent/);
    },
    MAY_NOT_PUBLISH,
  );

  it(
    "gives the reason at its end if the run was over before the server answered",
    async (site) => {
      const { sink } = await site.opened({ user: "me", password: "pw" });
      await sink.write(eventOf(1));
      await assert.rejects(
        async () => sink.close(true),
        /^SinkError: nats: 1 events not sent \(nats:.*: this login lacks permission: .*\); they are kept in/,
      );
    },
    MAY_NOT_PUBLISH,
  );

  it("stops with a one-line error at an event larger than the stream allows", async (site) => {
    const { server } = site;
    const connection = await connect({ port: server.port });
    await (await jetstreamManager(connection)).streams.add({
      name: "EMOTION",
      subjects: ["emotion.>"],
      max_msg_size: 200,
    });
    await connection.close();
    const { sink } = await site.opened();
    await sink.write(eventOf(1));
    await assert.rejects(
      async () => sink.close(true),
      /1 events not sent \(event event-1 \(\d+ bytes\) is larger than stream EMOTION allows; raise its max_msg_size\)/,
    );
    await assert.rejects(
      async () => sink.write(eventOf(2)),
      /larger than stream EMOTION allows; raise its max_msg_size$/,
    );
  });
});

// One at a time, since the disk is that of the whole process.
describe("the nats sink with a stream, on a small disk", function () {
  this.timeout(60_000);
  let site: Site;
  before(function () {
    needsNatsServer(this);
  });
  beforeEach(async () => {
    site = await Site.open();
  });
  afterEach(() => site.close());

  it("drops and counts a camera's oldest events when the disk is full, and goes on", async () => {
    const { folder, server } = site;
    const { sink, logged } = await site.opened(
      { spool: { path: join(folder, "spool"), size: 64_000 } },
      { live: true },
    );
    await server.stop();
    const disk = smallDisk(50);
    await withFiles(disk, () => write(sink, 0, 100));
    const { dropped = 0, waiting = 0 } = sink.figures?.() ?? {};
    assert(dropped > 30 && dropped < 70, String(dropped));
    assert.equal(dropped + waiting, 100);
    assert(
      logged.some((line) => /the disk of the spool \S+ is full; dropping the oldest events$/.test(line)),
    );
    disk.records = 0;
    disk.unlinkSync = unlinkSync;
    await withFiles(disk, () => write(sink, 100, 200));
    assert.equal(sink.figures?.().dropped, 200);
    await server.restart();
    await sink.close(true);
  });

  it("pauses a recording while the disk is full", async () => {
    const { sink, logged } = await site.opened();
    const disk = smallDisk(50);
    await withFiles(disk, async () => {
      const writing = write(sink, 0, 100);
      await until(() =>
        logged.some((line) => /the disk of the spool \S+ is full; the sources wait$/.test(line)),
      );
      disk.records = Number.POSITIVE_INFINITY;
      await writing;
    });
    await sink.close(true);
    await site.assertAll(0, 100);
  });
});
