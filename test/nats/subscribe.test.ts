import assert from "node:assert/strict";
import { once } from "node:events";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type JetStreamManager, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connectNats, type Nats, replay } from "#src/nats/index.js";
import { freePort, NatsServer, needsNatsServer } from "../support/nats-server.js";

describe("replay without follow", function () {
  this.timeout(60_000);
  let server: NatsServer;
  let nats: Nats;
  let manager: JetStreamManager;
  before(function () {
    needsNatsServer(this);
  });
  beforeEach(async () => {
    server = await NatsServer.start();
    nats = await connectNats({ url: server.url }, { name: "test" });
    manager = await jetstreamManager(nats.connection);
    await manager.streams.add({ name: "E", subjects: ["e"] });
    const js = jetstream(nats.connection);
    await Promise.all([...Array(600).keys()].map((n) => js.publish("e", String(n))));
  });
  afterEach(async () => {
    await nats.close();
    await server.remove();
  });

  /** Reads all; `first` runs while the first message is read. */
  async function read(from: Nats, first: () => Promise<unknown>): Promise<number[]> {
    const got: number[] = [];
    const options = { since: new Date(0), follow: false };
    for await (const { data } of replay(from, "e", options, AbortSignal.timeout(30_000))) {
      got.push(Number(Buffer.from(data).toString()));
      if (got.length === 1) await first();
    }
    return got;
  }

  it("ends if those it has still to read are purged", async () => {
    const beganMs = performance.now();
    const got = await read(nats, () => manager.streams.purge("E"));
    assert.deepEqual(got, [...Array(got.length).keys()]);
    assert(got.length >= 1 && got.length < 600, String(got.length));
    assert(performance.now() - beganMs < 15_000, "it waited in vain");
  });

  it("reads no other subjects of a stream that mirrors another", async () => {
    await manager.streams.add({ name: "TWO", subjects: ["two.*"] });
    for (const subject of ["two.a", "two.b", "two.a", "two.b"])
      await jetstream(nats.connection).publish(subject);
    await manager.streams.add({ name: "COPY", mirror: { name: "TWO" } });
    while ((await manager.streams.info("COPY")).state.messages < 4) await sleep(50);
    for (const [subject, expected] of [
      ["two.a", ["two.a", "two.a"]],
      ["two.>", ["two.a", "two.b", "two.a", "two.b"]],
    ] as const) {
      const options = { since: new Date(0), follow: false, stream: "COPY" };
      const got: string[] = [];
      for await (const message of replay(nats, subject, options, AbortSignal.timeout(30_000)))
        got.push(message.subject);
      assert.deepEqual(got, expected);
    }
  });

  it("reads again what was lost with a connection", async () => {
    const line = await Line.to(server.port);
    const far = await connectNats({ url: `nats://127.0.0.1:${line.port}` }, { name: "far" });
    try {
      const got = await read(far, async () => {
        await sleep(500); // until what was asked for is here
        line.loses = true;
        void sleep(1000).then(() => line.cut());
      });
      assert.deepEqual(got, [...Array(600).keys()]);
    } finally {
      await far.close();
      line.server.close();
    }
  });
});

/** A line to a server that can lose what the server sends. */
class Line {
  loses = false;
  port = 0;
  readonly server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number) {
    this.server = createServer((near) => {
      const far = createConnection(port, "127.0.0.1");
      near.pipe(far);
      far.on("data", (bytes) => this.loses || near.write(bytes));
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => this.#sockets.delete(socket));
      }
    });
  }

  static async to(port: number): Promise<Line> {
    const line = new Line(port);
    line.port = await freePort();
    line.server.listen(line.port, "127.0.0.1");
    await once(line.server, "listening");
    return line;
  }

  /** Ends all connections; new ones lose nothing. */
  cut(): void {
    this.loses = false;
    for (const socket of this.#sockets) socket.destroy();
  }
}
