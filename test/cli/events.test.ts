import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, type NatsConnection, nkeys } from "@nats-io/transport-node";
import { jsonLine, lineOf } from "#src/cli/event-table.js";
import { timeOf } from "#src/cli/events.js";
import { columnsOf } from "#src/columns.js";
import type { EmotionEvent } from "#src/events/event.js";
import { connectNats } from "#src/nats/index.js";
import { makeCertificates } from "../support/certificates.js";
import { eventOf } from "../support/event.js";
import { natsOperator } from "../support/nats-operator.js";
import { NatsServer, needsNatsServer } from "../support/nats-server.js";
import { publish as send } from "../support/sent.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A running `pipeline events`. */
class Reader {
  out = "";
  err = "";
  readonly child: ChildProcess;
  readonly #exit: Promise<unknown[]>;
  constructor(url: string, args: readonly string[]) {
    this.child = spawn(process.execPath, [MAIN, "events", ...args], {
      env: { ...process.env, NATS_URL: url, FORCE_COLOR: "" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#exit = once(this.child, "close");
    this.child.stdout?.on("data", (chunk) => {
      this.out += chunk;
    });
    this.child.stderr?.on("data", (chunk) => {
      this.err += chunk;
    });
  }
  /** Its exit code, or the signal that ended it. */
  async end(): Promise<unknown> {
    const [code, signal] = await this.#exit;
    return code ?? signal;
  }
  get events(): EmotionEvent[] {
    return this.out
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as EmotionEvent);
  }
  get frames(): number[] {
    return this.events.map(({ data }) => data.frame);
  }
}

async function until(what: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 50_000;
  while (!what()) {
    assert(performance.now() < deadlineMs, `never: ${what}`);
    await sleep(10);
  }
}

describe("pipeline events", function () {
  this.timeout(60_000);
  let server: NatsServer;
  let connection: NatsConnection;
  const readers: Reader[] = [];
  before(function () {
    needsNatsServer(this);
  });
  beforeEach(async () => {
    server = await NatsServer.start();
    connection = await connect({ port: server.port, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  });
  afterEach(async () => {
    for (const { child } of readers.splice(0)) child.kill("SIGKILL");
    await connection.close();
    await server.remove();
  });

  function read(...args: string[]): Reader {
    const reader = new Reader(server.url, args);
    readers.push(reader);
    return reader;
  }
  /** Starts it and waits until it is listening. */
  async function listening(...args: string[]): Promise<Reader> {
    const reader = read(...args);
    await until(() => reader.err.includes("press Ctrl-C to stop") || reader.child.exitCode !== null);
    // Its message does not mean that the server has the subscription yet: wait until it receives something.
    while (!reader.err.includes("ready") && reader.child.exitCode === null) {
      connection.publish("emotion.ready", "not an event");
      await sleep(20);
    }
    return reader;
  }
  async function publish(event: EmotionEvent, mode: "structured" | "binary" = "structured"): Promise<void> {
    send(connection, `emotion.${event.data.camera}.${event.data.track}`, event, mode);
    await connection.flush();
  }
  /** Our own connection is restored. */
  async function back(): Promise<void> {
    while (
      !(await connection.flush().then(
        () => true,
        () => false,
      ))
    )
      await sleep(20);
  }
  async function makeStream(): Promise<void> {
    await (await jetstreamManager(connection)).streams.add({ name: "EMOTION", subjects: ["emotion.*.*"] });
  }

  it("prints messages of both content modes as JSON lines and ends after --limit", async () => {
    const reader = await listening("--limit", "2");
    await publish(eventOf(1));
    await publish({ ...eventOf(2), subject: "dör/3 %" }, "binary");
    assert.equal(await reader.end(), 0);
    assert.deepEqual(reader.events, [eventOf(1), { ...eventOf(2), subject: "dör/3 %" }]);
  });

  it("shows only events that match all filters", async () => {
    const reader = await listening(
      ...["--camera", "door", "--camera", "hall", "--track", "3", "--label", "happy"],
      ...["--kind", "changed", "--min-confidence", "80%", "--limit", "2"],
    );
    for (const [n, data] of [
      { camera: "yard" },
      { track: 4 },
      { label: "sad" },
      { kind: "left" as const },
      { confidence: 0.79 },
      { confidence: 0.8 },
      { camera: "hall" },
    ].entries())
      await publish(eventOf(n, data));
    assert.equal(await reader.end(), 0);
    assert.deepEqual(reader.frames, [5, 6]);
  });

  it("prints a stream's events with --since, and ends", async () => {
    await makeStream();
    for (let n = 0; n < 1500; n++) await publish(eventOf(n, { track: 1 + (n % 2) }));
    const all = read("--since", "10m");
    assert.equal(await all.end(), 0, all.err);
    assert.deepEqual(all.frames, [...Array(1500).keys()]);
    const odd = read("emotion.door.2", "--since", "1h", "--limit", "10");
    assert.equal(await odd.end(), 0, odd.err);
    assert.deepEqual(odd.frames, [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    await sleep(5);
    const none = read("--since", "1ms");
    assert.equal(await none.end(), 0, none.err);
    assert.equal(none.out, "");
  });

  it("continues with --since --follow without gaps or duplicates, even through a server restart", async () => {
    await makeStream();
    let sent = 0;
    const send = async (count: number) => {
      for (const end = sent + count; sent < end; sent++) await publish(eventOf(sent));
    };
    await send(300);
    const reader = read("--since", "10m", "--follow");
    await until(() => reader.out.length > 0);
    await send(300);
    await until(() => reader.out.includes("event-599"));
    await server.stop();
    await server.restart();
    await back();
    await send(300);
    await until(() => reader.out.includes("event-899"));
    reader.child.kill("SIGINT");
    assert.equal(await reader.end(), 0);
    assert.deepEqual(reader.frames, [...Array(900).keys()]);
  });

  it("ends with a one-line error with --since --follow if its stream is deleted", async () => {
    await makeStream();
    await publish(eventOf(0));
    const reader = read("--since", "10m", "--follow", "--quiet");
    await until(() => reader.out.includes("event-0"));
    const manager = await jetstreamManager(connection);
    const [name = ""] = await manager.streams.names().next();
    await manager.streams.delete(name);
    assert.equal(await reader.end(), 1);
    assert.equal(reader.err, `${server.url}: stream ${name} cannot be read: it has been deleted\n`);
  });

  it("reconnects without a stream after the server was away, and says so", async () => {
    const reader = await listening();
    await server.stop();
    await until(() => reader.err.includes("connection lost; reconnecting"));
    await server.restart();
    await until(() => reader.err.includes("reconnected"));
    await back();
    while (!reader.out.includes("event-7")) {
      await publish(eventOf(7));
      await sleep(20);
    }
    reader.child.kill("SIGTERM");
    assert.equal(await reader.end(), 0);
  });

  it("reports and counts messages that are not events, without letting them control the terminal", async () => {
    const reader = await listening("--limit", "1");
    const odd: (string | Uint8Array)[] = [
      "{not json \u001b[2J",
      Buffer.from([0xff, 0xfe, 0x1b, 0x5b]),
      "null",
      "[".repeat(100_000),
      JSON.stringify({ ...eventOf(1), specversion: "\u001b]0;mine\u0007" }),
      JSON.stringify(eventOf(1, { probabilities: { "\u001b[31m": 7 } })),
      "x".repeat(300_000),
    ];
    for (const data of odd) connection.publish("emotion.\u001b[31m.x", data);
    const ce = headers();
    ce.set("ce-id", "%zz");
    connection.publish("emotion.door.3", "{}", { headers: ce });
    await publish(eventOf(9, { camera: "d\u009b31m\u202eoor" }));
    assert.equal(await reader.end(), 0);
    assert.equal(reader.events[0]?.data.camera, "d\u009b31m\u202eoor");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(reader.out + reader.err, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    assert.doesNotMatch(reader.err, /\bat .*\.js:/);
    assert.match(reader.err, /skipped: it is not JSON/);
    assert.match(reader.err, /further messages that are not emotion events are only counted/);
    const passed = Number(/(\d+) messages skipped/.exec(reader.err)?.[1]);
    assert(passed >= odd.length + 2, reader.err); // plus those sent to see whether it was listening
  });

  it("prints a table row on one line, whatever the event contains", () => {
    const event = eventOf(1, { camera: "door\u001b[2J\n\u009b", label: "happy\u202e\r" });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(lineOf(event), /[\u0000-\u001f\u007f-\u009f\u202e]/);
    assert.match(lineOf(eventOf(1)), / door +3 +changed +happy +87 %$/);
    assert.deepEqual(JSON.parse(jsonLine(event)), event);
  });

  it("aligns its columns where characters are two columns wide", () => {
    const wide = lineOf(eventOf(1, { camera: "玄関", label: "嬉しい" }));
    assert.equal(columnsOf(wide), columnsOf(lineOf(eventOf(1))));
  });

  it("ends silently when the reader closes the pipe", async () => {
    await makeStream();
    for (let n = 0; n < 2000; n++) await publish(eventOf(n));
    const reader = read("--since", "10m", "--follow", "--quiet");
    await once(reader.child.stdout as NodeJS.ReadableStream, "data");
    reader.child.stdout?.destroy();
    assert.equal(await reader.end(), 0);
    assert.equal(reader.err, "");
  });

  it("reports in one line a missing server, no stream, several streams, a login without permission", async () => {
    const line = async (reader: Reader) => {
      const code = await reader.end();
      assert.match(reader.err, /^[^\n]+\n$/);
      return `${code} ${reader.err.trim().replaceAll(server.url, "URL")}`;
    };
    assert.equal(
      await line(read("--since", "1m")),
      "1 URL: no stream holds emotion.>; without --since, its events are read live",
    );
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: "A", subjects: ["emotion.a.*"] });
    await manager.streams.add({ name: "B", subjects: ["emotion.b.*"] });
    assert.match(
      await line(read("--since", "1m")),
      /^1 URL: several streams hold emotion\.>: A, B; choose one/,
    );
    assert.match(await line(read("--since", "1m", "--stream", "C")), /^1 URL: stream C cannot be read: /);
    await server.stop();
    assert.equal(await line(read()), "1 URL: connection refused; is nats-server running there?");
    const guarded = await NatsServer.start({
      config:
        'authorization { users: [{ user: me, password: hunter2, permissions: { subscribe: ["other.>", "_INBOX.>"] } }] }',
    });
    try {
      const wrong = read("--nats", `nats://me:no@127.0.0.1:${guarded.port}`);
      assert.match(await line(wrong), /^1 .*: login rejected \(the one in the URL\)$/);
      const may = read("--quiet", "--nats", `nats://me:hunter2@127.0.0.1:${guarded.port}`);
      assert.match(await line(may), /^1 .*: cannot subscribe to emotion\.>: .*[Pp]ermission/);
    } finally {
      await guarded.remove();
    }
  });

  it("logs in with --nkey and --creds, over mutual TLS with --tls-*, and reports a refusal in one line", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-events-"));
    const file = (name: string, text: string | Uint8Array) => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const made = makeCertificates(folder);
    const { ca, clientCert, clientKey } = made;
    const pair = nkeys.createUser();
    const nkey = file("user.nk", pair.getSeed());
    const operator = natsOperator();
    const creds = file("user.creds", operator.creds);
    const tls = (cert: string) =>
      `tls { cert_file: "${cert}", key_file: "${made.key}", ca_file: "${ca}", verify: true }`;
    const keyed = await NatsServer.start({
      config: `authorization { users: [{ nkey: ${pair.getPublicKey()} }] }\n${tls(made.cert)}`,
    });
    const trusted = await NatsServer.start({ config: operator.config, jetstream: false });
    const old = await NatsServer.start({ config: tls(made.expired) });
    const secure = ["--tls-ca", ca, "--tls-cert", clientCert, "--tls-key", clientKey];
    try {
      for (const [{ url }, flags, options] of [
        [keyed, ["--nkey", nkey, ...secure], { nkey, tls: { ca, cert: clientCert, key: clientKey } }],
        [trusted, ["--creds", creds], { creds }],
      ] as const) {
        const reader = read("--limit", "1", "--nats", url, ...flags);
        const nats = await connectNats({ url, ...options }, { name: "test" });
        const sending = setInterval(() => send(nats.connection, "emotion.door.3", eventOf(7)), 50);
        try {
          assert.equal(await reader.end(), 0, reader.err);
        } finally {
          clearInterval(sending);
          await nats.close();
        }
        assert.deepEqual(reader.frames, [7]);
      }
      for (const [{ url }, flags, code, told] of [
        [
          keyed,
          ["--nkey", file("other.nk", nkeys.createUser().getSeed()), ...secure],
          1,
          /login rejected \(nkey\)$/,
        ],
        [
          keyed,
          secure,
          1,
          /login rejected; none was given, use a user and password in the URL, --creds or --nkey$/,
        ],
        [keyed, ["--nkey", nkey], 1, /untrusted authority; add that with --tls-ca$/],
        [trusted, ["--creds", file("other.creds", natsOperator().creds)], 1, /login rejected \(creds\)$/],
        [trusted, ["--creds", join(folder, "none.creds")], 2, /^NATS: --creds: .*none\.creds: no such file$/],
        [trusted, ["--creds", nkey], 2, /^NATS: --creds: .*user\.nk is not a credentials file/],
        [old, secure, 1, /: its certificate has expired$/],
        [keyed, ["--tls-cert", clientCert], 2, /^NATS: --tls-cert and --tls-key must be given together; /],
      ] as const) {
        const reader = read("--nats", url, ...flags);
        assert.equal(await reader.end(), code, reader.err);
        assert.match(reader.err.trimEnd(), told);
        assert.match(reader.err, /^[^\n]+\n$/);
      }
    } finally {
      for (const one of [keyed, trusted, old]) await one.remove();
      rmSync(folder, { recursive: true });
    }
  });

  it("reports wrong usage in one line", async () => {
    for (const [args, told] of [
      [["--since", "soon"], /^--since soon: must be a duration such as 10m/],
      [["--since", "2999-01-01"], /^--since 2999-01-01: must be in the past/],
      [["--follow"], /^--follow requires --since/],
      [["--limit", "0"], /^--limit 0: must be a whole number/],
      [["--min-confidence", "2e9"], /^--min-confidence 2e9: must be a percentage/],
      [["--min-confidence", "0.7"], /^--min-confidence 0\.7: write 70%, or 0\.7%$/m],
      [["--kind", "gone"], /^--kind gone: must be appeared, changed, sample, left/],
      [["emotion..x"], /^"emotion\.\.x" is not a valid subject/],
    ] as const) {
      const reader = read(...args);
      assert.equal(await reader.end(), 2, args.join(" "));
      assert.match(reader.err, told);
      assert.match(reader.err, /^[^\n]+\n$/);
    }
  });

  it("takes --since as a duration before now or a local time", () => {
    const now = Date.parse("2026-11-25T12:00:00Z");
    assert.equal(timeOf("10m", now).toISOString(), "2026-11-25T11:50:00.000Z");
    assert.equal(timeOf("2026-11-25T08:00Z", now).toISOString(), "2026-11-25T08:00:00.000Z");
    assert.equal(timeOf("2026-11-24T08:00", now).getTime(), new Date(2026, 10, 24, 8).getTime());
    assert.equal(timeOf("2026-11-24", now).getTime(), new Date(2026, 10, 24).getTime());
  });
});
