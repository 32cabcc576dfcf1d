import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { EmotionEvent } from "#src/events/event.js";
import type { Sink } from "#src/pipeline/component.js";
import { nats } from "#src/sinks/nats/index.js";
import { testContext } from "../../support/context.js";
import { eventOf } from "../../support/event.js";
import { freePort, NatsServer, needsNatsServer } from "../../support/nats-server.js";
import { until } from "../../support/worker-process.js";

type Options = Parameters<typeof nats.build>[0];

describe("the nats sink without a stream", function () {
  this.timeout(60_000);
  let server: NatsServer;
  let monitoring: number;
  let connection: NatsConnection | undefined;
  const sinks: Sink<EmotionEvent>[] = [];
  before(function () {
    needsNatsServer(this);
  });
  beforeEach(async () => {
    monitoring = await freePort();
    server = await NatsServer.start({ jetstream: false, config: `http: "127.0.0.1:${monitoring}"` });
  });
  afterEach(async () => {
    await connection?.close();
    connection = undefined;
    await server.remove();
    for (const sink of sinks.splice(0)) await Promise.resolve(sink.close(false)).catch(() => {}); // after a failure
  });

  async function opened(options: Partial<Options> = {}, { live = false } = {}) {
    const { context, logged } = testContext({ id: "nats", live });
    const sink = await nats.build({ url: server.url, ...options }, context);
    sinks.push(sink);
    return { sink, logged };
  }
  /** Numbers of the events received from now on. */
  async function listening(): Promise<number[]> {
    const frames: number[] = [];
    connection = await connect({ port: server.port, reconnectTimeWait: 20, maxReconnectAttempts: -1 });
    connection.subscribe("emotion.>", {
      callback: (_, message) => void frames.push(message.json<EmotionEvent>().data.frame),
    });
    await connection.flush();
    return frames;
  }
  async function write(sink: Sink<EmotionEvent>, from: number, to: number): Promise<void> {
    for (let n = from; n < to; n++) await sink.write(eventOf(n));
  }
  /** How many messages the server has received from clients. */
  async function received(): Promise<number> {
    const { in_msgs } = (await (await fetch(`http://127.0.0.1:${monitoring}/varz`)).json()) as {
      in_msgs: number;
    };
    return in_msgs;
  }
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

  it("delivers every event in order to subscribers", async () => {
    const frames = await listening();
    const { sink } = await opened();
    await write(sink, 0, 5000);
    await sink.close(true);
    await until("all events come", () => frames.length >= 5000);
    assert.deepEqual(frames, numbers(0, 5000));
    assert.deepEqual(sink.figures?.(), { waiting: 0, dropped: 0, unconfirmed: 0 });
  });

  it("keeps events in memory while the server is away at the start, and sends them once it is available", async () => {
    await server.stop();
    const { sink, logged } = await opened();
    await write(sink, 0, 200);
    assert.equal(sink.figures?.().waiting, 200);
    assert.match(logged[0] ?? "", /^warn nats: .*connection refused.*; events wait in memory; retrying$/);
    await server.restart();
    await sink.close(true);
    assert.deepEqual(sink.figures?.(), { waiting: 0, dropped: 0, unconfirmed: 0 });
    assert.equal(await received(), 200);
  });

  it("pauses a recording when the buffer is full, but drops and counts a camera's oldest events", async () => {
    await server.stop();
    const recording = await opened({ buffer: 20_000 });
    let written = 0;
    const writing = (async () => {
      for (; written < 100; written++) await recording.sink.write(eventOf(written));
    })();
    await until("the buffer is full", () =>
      recording.logged.some((line) => /buffer is full .*; the sources wait$/.test(line)),
    );
    const before = written;
    await sleep(50);
    assert.equal(written, before);
    const camera = await opened({ buffer: 20_000 }, { live: true });
    await write(camera.sink, 0, 100);
    const { dropped = 0, waiting = 0 } = camera.sink.figures?.() ?? {};
    assert(dropped > 50, String(dropped));
    assert.equal(dropped + waiting, 100);
    for (const { logged } of [recording, camera])
      assert.equal(logged.filter((line) => line.includes("buffer is full")).length, 1);
    await server.restart();
    await writing;
    await Promise.all([recording.sink.close(true), camera.sink.close(true)]);
    assert.equal(recording.sink.figures?.().dropped, 0);
  });

  it("never makes a camera wait for a hanging server", async () => {
    const { sink, logged } = await opened({ buffer: 200_000 }, { live: true });
    server.pause();
    for (let n = 0; n < 2000; n++) {
      assert.equal(sink.write(eventOf(n)), undefined, `event ${n}`);
      if (n % 100 === 0) await new Promise(setImmediate);
    }
    assert(logged.some((line) => /buffer is full .*; dropping the oldest events$/.test(line)));
    const { dropped = 0 } = sink.figures?.() ?? {};
    assert(dropped > 1000, String(dropped));
    server.resume();
    await sink.close(true);
    assert.equal(sink.figures?.().waiting, 0);
  });

  it("has at most half of its buffer in flight, so that a camera's newest events are kept", async () => {
    const { sink } = await opened({ buffer: 20_000 }, { live: true });
    server.pause();
    for (let n = 0; n < 200; n++) void sink.write(eventOf(n)); // more than the buffer holds, in one turn
    const { waiting = 0 } = sink.figures?.() ?? {};
    const bytes = waiting * JSON.stringify(eventOf(100)).length;
    assert(bytes > 5000 && bytes < 10_000, `${waiting} events wait`);
    server.resume();
    await sink.close(true);
  });

  it("continues in order after the server was killed", async () => {
    const frames = await listening();
    const { sink, logged } = await opened();
    await write(sink, 0, 500);
    await server.kill();
    await write(sink, 500, 1000);
    await server.restart();
    await until("it is connected again", () =>
      logged.some((line) => line === `info nats: ${server.url}: connected`),
    );
    await until("the listener is back", () =>
      connection?.flush().then(
        () => true,
        () => false,
      ),
    );
    await write(sink, 1000, 1500);
    await sink.close(true);
    await until("the last comes", () => frames.at(-1) === 1499);
    assert.deepEqual(
      frames,
      frames.toSorted((a, b) => a - b),
    );
    assert.equal(new Set(frames).size, frames.length);
    assert.deepEqual(frames.slice(-500), numbers(1000, 1500));
  });

  it("counts the events that were in flight when the connection broke", async () => {
    const { sink, logged } = await opened();
    server.pause();
    await write(sink, 0, 10);
    await until("they are sent", () => sink.figures?.().waiting === 0);
    await server.kill();
    await until("it has noticed", () =>
      logged.some((line) => /^warn nats: 10 events may be lost; /.test(line)),
    );
    assert.equal(sink.figures?.().unconfirmed, 10);
  });

  it("reports at its end how many events are lost if the server is away", async () => {
    const { sink, logged } = await opened();
    await server.stop();
    await until("it has noticed", () =>
      logged.some((line) => /connection lost; events wait in memory/.test(line)),
    );
    await write(sink, 0, 10);
    await assert.rejects(Promise.resolve(sink.close(true)), {
      code: "SINK_UNSENT",
      message:
        /^nats: 10 events lost because the server did not accept them \(.*\); use `stream` to keep them$/,
    });
    assert.deepEqual(sink.figures?.(), { waiting: 0, dropped: 10, unconfirmed: 0 });
  });

  it("stops with a one-line error if publishing is not permitted, or an event is too large for the server", async () => {
    await server.remove();
    server = await NatsServer.start({
      config: `authorization { users: [{ user: me, password: pw, permissions: { publish: deny } }] }`,
    });
    const forbidden = await opened({ user: "me", password: "pw" });
    await forbidden.sink.write(eventOf(1));
    await assert.rejects(async () => {
      for (;;) {
        await sleep(10);
        await forbidden.sink.write(eventOf(2));
      }
    }, /^SinkError: nats: .*this login lacks permission: Permissions Violation for Publish to "emotion\.door\.3"$/);
    await Promise.resolve(forbidden.sink.close(false)).catch(() => {});

    const short = await opened({ user: "me", password: "pw" });
    await write(short.sink, 0, 2000);
    await assert.rejects(
      async () => short.sink.close(true),
      /^SinkError: nats: \d+ events lost .*\(nats:.*: this login lacks permission: .*\); use `stream`/,
    );

    await server.remove();
    server = await NatsServer.start({ config: "max_payload: 600" });
    const { sink } = await opened();
    await assert.rejects(
      async () => sink.write(eventOf(1, { label: "x".repeat(600) })),
      /^SinkError: nats: an event of \d+ bytes cannot be sent: .*max_payload/,
    );
    await sink.close(false);
  });
});
