import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { mock } from "node:test";
import sharp from "sharp";
import { WebSocket } from "ws";
import { type WebOptions, web } from "#src/sinks/web/index.js";
import type { ServerMessage } from "#src/sinks/web/protocol.js";
import { unpackPicture } from "#src/sinks/web/protocol.js";
import { testContext } from "../../support/context.js";
import { eventOf } from "../../support/event.js";
import { faceAt, facesOf, frameOf } from "../../support/frames.js";

const TOKEN = "sixteen letters or more";
const MODEL = { name: "m", version: "1", labels: ["happy", "sad"] };

type Headers = Record<string, string>;
type Message<T extends ServerMessage["type"]> = Extract<ServerMessage, { type: T }>;

/** A page that records what it receives. */
class Page {
  readonly socket: WebSocket;
  readonly told: ServerMessage[] = [];
  readonly pictures: ReturnType<typeof unpackPicture>[] = [];
  answers = true;

  constructor(url: string, headers: Headers = {}) {
    this.socket = new WebSocket(`${url.replace("http", "ws")}stream`, { headers });
    this.socket.binaryType = "arraybuffer";
    this.socket.on("message", (data: ArrayBuffer | Buffer, isBinary) => {
      if (!isBinary)
        this.told.push(JSON.parse(String(data instanceof ArrayBuffer ? Buffer.from(data) : data)));
      else {
        const picture = unpackPicture(data as ArrayBuffer);
        this.pictures.push(picture);
        if (this.answers) this.say({ type: "drawn", camera: picture.head.camera });
      }
    });
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Resolves when the server has received everything sent. */
  async said(): Promise<void> {
    this.socket.ping();
    await once(this.socket, "pong");
  }

  find<T extends ServerMessage["type"]>(type: T): Message<T> | undefined {
    return this.told.find((message): message is Message<T> => message.type === type);
  }
}

const until = async (what: () => boolean) => {
  while (!what()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe("the web sink", () => {
  const closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function start(options: WebOptions = {}, cameras = ["test"]) {
    const test = testContext({ id: "test", slots: 2 });
    const { stats } = test.context;
    const sources = cameras.flatMap((id) => stats.sources.map((source) => ({ ...source, id })));
    const context = { ...test.context, stats: { ...stats, sources } };
    const sink = await web.build({ listen: "127.0.0.1:0", fps: 60, ...options }, context);
    closing.push(() => sink.close(true));
    const url = /http:\S+/.exec(test.logged.join())?.[0] ?? "";
    const page = async ({
      headers = {},
      pictures = true,
    }: {
      headers?: Headers;
      pictures?: boolean;
    } = {}) => {
      const opened = new Page(url, headers);
      closing.push(() => opened.socket.terminate());
      await until(() => opened.find("hello") !== undefined);
      opened.say({ type: "watch", pictures });
      await opened.said();
      return opened;
    };
    /** Sends one frame with one face. */
    const frame = async (sequence: number, source = "test") => {
      const item = facesOf(frameOf(test.pool, sequence, { source }), [
        faceAt(32, 24, 20, { track: 3, label: 0, model: MODEL, probabilities: Float32Array.of(0.9, 0.1) }),
      ]);
      await sink.write(item);
      item.frame.release();
    };
    return { ...test, sink, url, page, frame };
  }

  it("sends each picture with the faces of the same frame", async () => {
    const { page, frame } = await start();
    const { pictures } = await page();
    await frame(7);
    await until(() => pictures.length > 0);
    const { head, jpeg } = pictures[0] ?? assert.fail();
    assert.deepEqual(head, {
      camera: 0,
      sequence: 7,
      mediaTimeMs: 280,
      width: 64,
      height: 48,
      faces: [{ box: [22, 14, 20, 20], track: 3, label: 0, confidence: 0.9 }],
    });
    const { width, height } = await sharp(jpeg).metadata();
    assert.deepEqual([width, height], [64, 48]);
  });

  it("sends labels before anything that needs them, then points, events and figures", async () => {
    const { page, frame, sink } = await start();
    const { told } = await page();
    await frame(1);
    await sink.write(eventOf(5));
    await until(() => ["points", "events"].every((type) => told.some((message) => message.type === type)));
    const types = told.map(({ type }) => type);
    assert.deepEqual(types.slice(0, 2), ["hello", "figures"]);
    assert(types.indexOf("labels") < types.indexOf("points"));
    const points = told.find((message) => message.type === "points");
    assert.deepEqual(points, { type: "points", points: [[0, 3, 40, 0, 900, 100]] });
    const events = told.find((message) => message.type === "events");
    assert.equal(events?.type === "events" && events.events[0]?.id, "event-5");
    await until(() => told.filter(({ type }) => type === "figures").length > 1);
  });

  it("sends the points of a frame before its picture, so that nobody in it seems to have left", async () => {
    const { page, frame } = await start();
    const { told, pictures, socket } = await page();
    const known: number[] = [];
    socket.on("message", (_, isBinary) => {
      if (isBinary) known.push(told.filter(({ type }) => type === "points").length);
    });
    for (let i = 1; i <= 3; i++) {
      await frame(i * 3);
      await until(() => pictures.length === i);
      await new Promise((resolve) => setTimeout(resolve, 20)); // the next picture is due
    }
    assert.deepEqual(known, [1, 2, 3]);
  });

  it("sends a page that connects later what happened", async () => {
    const { page, frame, sink } = await start();
    for (let i = 0; i < 20; i++) await frame(i * 3);
    await sink.write(eventOf(5));
    const late = (await page()).find("hello");
    assert.equal(late?.points.length, 20);
    assert.equal(late?.events.length, 1);
    assert.deepEqual(late?.labels, ["happy", "sad"]);
    assert.deepEqual(late?.cameras, [{ id: "test", live: false }]);
  });

  it("makes no pictures without pages, or while they are paused, have not asked, or have undrawn pictures", async () => {
    const { page, frame, url } = await start();
    await frame(0);
    const paused = await page({ pictures: false });
    const silent = new Page(url);
    closing.push(() => silent.socket.terminate());
    await until(() => silent.find("hello") !== undefined);
    const slow = await page();
    slow.answers = false;
    let sequence = 1;
    const more = async () => {
      await frame(sequence++);
      await new Promise((resolve) => setTimeout(resolve, 20));
    };
    while (slow.pictures.length < 2) await more();
    for (let i = 0; i < 15; i++) await more();
    for (const page of [paused, silent, slow]) await page.said();
    assert.equal(paused.pictures.length + silent.pictures.length, 0);
    assert.equal(slow.pictures.length, 2);
    slow.say({ type: "drawn", camera: 0 });
    while (slow.pictures.length < 3) await more();
  });

  it("does not wait for a page that reads nothing, and loses nothing for others", async () => {
    const { page, frame, url } = await start({ history: 3_600_000 });
    const stuck = connect({ host: "127.0.0.1", port: Number(new URL(url).port) });
    closing.push(() => void stuck.destroy());
    stuck.write(
      `GET /stream HTTP/1.1\r\nHost: ${new URL(url).host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${Buffer.from("0123456789abcdef").toString("base64")}\r\n\r\n`,
    );
    await once(stuck, "connect");
    stuck.pause();
    const quick = await page();
    let sent = 0;
    while (sent < 60 || quick.pictures.length <= 5) {
      await frame(sent++ * 3);
      await new Promise((resolve) => setTimeout(resolve, 17));
    }
    const points = () => quick.told.flatMap((message) => (message.type === "points" ? message.points : []));
    await until(() => points().length === sent);
  });

  it("gives each camera its turn, even if their frames arrive together", async () => {
    const cameras = ["first", "second", "third"];
    const { page, frame } = await start({}, cameras);
    const { pictures } = await page();
    const of = (camera: number) => pictures.filter(({ head }) => head.camera === camera).length;
    for (let i = 0; cameras.some((_, camera) => of(camera) < 10); i++) {
      for (const camera of cameras) await frame(i, camera);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(of(0) < 30, `${of(0)}, ${of(1)} and ${of(2)} pictures`);
  });

  it("disconnects a page that no longer answers, and keeps those that do", async () => {
    mock.timers.enable({ apis: ["setInterval"] });
    closing.push(() => mock.timers.reset());
    const { page, url } = await start();
    const there = await page();
    const gone = new WebSocket(`${url.replace("http", "ws")}stream`, { autoPong: false });
    await once(gone, "message");
    const asked = once(there.socket, "ping");
    mock.timers.tick(15_000);
    await asked;
    await there.said();
    const closed = once(gone, "close");
    mock.timers.tick(15_000);
    await closed;
    await there.said();
  });

  it("says goodbye to its pages, and lets the process end", async () => {
    const { page, sink } = await start();
    const { told, socket } = await page();
    const closed = once(socket, "close");
    await sink.close(true);
    await closed;
    assert.equal(told.at(-1)?.type, "end");
    closing.splice(0);
  });

  it("does not wait when closing for rejected connections", async () => {
    const { url, sink } = await start();
    const { hostname, port } = new URL(url);
    const client = connect(Number(port), hostname); // keeps its half open forever
    client.on("error", () => {});
    client.write(
      `GET /nowhere HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n`,
    );
    client.write("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    const [answer] = (await once(client, "data")) as [Buffer];
    assert.match(String(answer), /^HTTP\/1\.1 404/);
    await sink.close(true);
    closing.splice(0);
    client.destroy();
  });

  it("fails in one line if its address is in use, not local, needs a token, or has one with surrounding spaces", async () => {
    const { url } = await start();
    const listen = new URL(url).host;
    await assert.rejects(start({ listen }), {
      name: "SinkError",
      message: new RegExp(`test: cannot listen on ${listen}: .*another port`),
    });
    await assert.rejects(start({ listen: "192.0.2.1:0", token: TOKEN }), /this machine has no such address/);
    await assert.rejects(start({ listen: "0.0.0.0:0" }), { name: "ConfigError", message: /needs a token/ });
    for (const token of [` ${TOKEN}`, `${TOKEN}\n`])
      await assert.rejects(start({ token }), {
        name: "ConfigError",
        message: /start or end with white space/,
      });
  });

  it("serves only its own files, with a strict policy", async () => {
    const { url } = await start();
    const page = await fetch(url);
    assert.equal(page.status, 200);
    const policy = page.headers.get("content-security-policy") ?? "";
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/);
    assert.doesNotMatch(policy, /unsafe|\*/);
    assert.equal(page.headers.get("cross-origin-resource-policy"), "same-origin");
    assert.doesNotMatch(await page.text(), /<script(?![^>]*src=)|<style|style=|onclick/);
    for (const path of ["../package.json", "%2e%2e/package.json", "app.js.map", "stream", "x"])
      assert.equal((await fetch(url + path)).status, 404, path);
    assert.equal((await fetch(url, { method: "PUT" })).status, 405);
  });

  const refusal = async (url: string, headers: Headers) => {
    const { socket } = new Page(url, headers);
    const [error] = (await once(socket, "error")) as [Error];
    return error.message;
  };

  it("rejects scripts of other pages and foreign host names", async () => {
    const { url } = await start();
    assert.match(await refusal(url, { Origin: "http://evil.example" }), /403/);
    assert.match(await refusal(url, { Origin: "null" }), /403/);
    assert.match(await refusal(url, { Host: "evil.example" }), /421/);
    assert.equal((await fetch(`${url}session`, { headers: { Origin: "http://evil.example" } })).status, 403);
  });

  it("lets in only those who know the token", async () => {
    const { url, page } = await start({ token: TOKEN });
    assert.equal((await fetch(`${url}session`)).status, 401);
    assert.match(await refusal(url, {}), /401/);
    assert.match(await refusal(url, { Cookie: `ekspresi-${new URL(url).port}=9999999999999.x` }), /401/);
    const offer = (body: string) => fetch(`${url}session`, { method: "POST", body });
    assert.equal((await offer("wrong")).status, 401);
    assert.equal((await offer("x".repeat(100_000))).status, 401);
    const { status, headers } = await offer(TOKEN);
    assert.equal(status, 204);
    const cookie = headers.get("set-cookie") ?? "";
    assert.match(cookie, /; HttpOnly; SameSite=Strict; Path=\/$/);
    assert(!cookie.includes(TOKEN));
    const { told } = await page({ headers: { Cookie: cookie.split(";")[0] ?? "" } });
    assert.equal(told[0]?.type, "hello");
  });

  it("survives anything no page would send", async () => {
    const { url, page } = await start();
    const odd = await page();
    odd.say({ type: "drawn", camera: 99 });
    odd.say({ type: "drawn" });
    odd.socket.send("null");
    odd.socket.send("{");
    await once(odd.socket, "close");
    const large = await page();
    large.socket.send("x".repeat(5000));
    await once(large.socket, "close");
    const raw = connect({ host: "127.0.0.1", port: Number(new URL(url).port) });
    raw.end("nonsense\r\n\r\n");
    await once(raw.resume(), "close");
    assert.equal((await page()).told[0]?.type, "hello");
  });
});
