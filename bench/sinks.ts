import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import type { EmotionEvent } from "#src/events/event.js";
import { jsonl } from "#src/sinks/jsonl.js";
import { nats } from "#src/sinks/nats/index.js";
import { testContext } from "../test/support/context.js";
import { eventOf } from "../test/support/event.js";
import { NatsServer } from "../test/support/nats-server.js";
import type { Bench, Benchmark, Row } from "./benchmark.js";
import { type Contender, compare, type Run, timed } from "./measure.js";

const EXPRESSIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

type Events = (n: number) => EmotionEvent;

/** Each event has different probabilities, as in a run: engines cache the text of repeated numbers. */
function eventsOf(classes: readonly string[]): Events {
  const all = Array.from({ length: 1009 }, (_, n) =>
    Object.fromEntries(classes.map((name, i) => [name, ((n * 7919 + i * 1237) % 10_000) / 10_000])),
  );
  return (n) => eventOf(n, { probabilities: all[n % all.length] ?? {}, track: n % 10 });
}

const eventNumber = eventsOf(EXPRESSIONS);
/** Closer to 400 bytes. */
const ofTwoClasses = eventsOf(["happy", "neutral"]);

const bytesOf = (events: Events) => JSON.stringify(events(1)).length + 1;

export const sinks: Benchmark = {
  name: "sinks",
  summary:
    "Events per second into a JSON-lines file, and to NATS until its server, on the same cores, has confirmed the last one.",
  seconds: 90,
  run: async (bench) => {
    const count = bench.quick ? 10_000 : 100_000;
    const rounds = bench.quick ? 1 : 5;
    const rows: Row[] = [];
    for (const fsync of ["never", "interval"] as const)
      rows.push(
        ...(await compare(bench, `jsonl, fsync: ${fsync}`, "events", rounds, lineFile(bench, fsync, count), [
          stream(bench, count),
        ])),
      );
    const skipped: string[] = [];
    const server = await NatsServer.start().catch(
      (error: Error) => void skipped.push(`nats: ${error.message}`),
    );
    if (server)
      try {
        const jet = ["nats, into a stream", "events", rounds] as const;
        rows.push(
          ...(await compare(bench, ...jet, jetStream(bench, server, count), [bareJetStream(server, count)])),
        );
        const many = 3 * count;
        for (const events of [eventNumber, ofTwoClasses]) {
          const what = `nats, without a stream, ${bytesOf(events)} bytes`;
          const ours = coreNats(server, many, events);
          rows.push(
            ...(await compare(bench, what, "events", rounds, ours, [bareCore(server, many, events)])),
          );
        }
      } finally {
        await server.remove();
      }
    const event = `${bytesOf(eventNumber)} bytes, seven probabilities, where nothing else stands`;
    return { conditions: { event }, rows, skipped };
  },
};

function lineFile(bench: Bench, fsync: "never" | "interval", count: number): Contender {
  return {
    name: "ekspresi",
    run: async () => {
      const path = join(bench.folder, "ours.jsonl");
      const sink = await jsonl.build({ path, fsync }, testContext({ id: "bench" }).context);
      return fed(sink, count);
    },
  };
}

/** Node's own stream: it buffers lines, and loses them if the process is killed. */
function stream(bench: Bench, count: number): Contender {
  return {
    name: "Node's write stream, buffered",
    run: () =>
      timed(count, async () => {
        const out = createWriteStream(join(bench.folder, "stream.jsonl"));
        for (let i = 0; i < count; i++)
          if (!out.write(`${JSON.stringify(eventNumber(i))}\n`)) await once(out, "drain");
        out.end();
        await once(out, "finish");
      }),
  };
}

/** Each event goes to the disk first, then to the server, until the last one has been acknowledged. */
function jetStream(bench: Bench, { url, port }: NatsServer, count: number): Contender {
  return {
    name: "ekspresi",
    run: async () => {
      const spool = { path: join(bench.folder, "spool") };
      const run = await publish({ url, stream: { name: "EMOTION", create: true }, spool }, count);
      await empty(port);
      await rm(spool.path, { recursive: true });
      return run;
    },
  };
}

function coreNats({ url }: NatsServer, count: number, events: Events): Contender {
  return { name: "ekspresi", run: () => publish({ url }, count, events) };
}

async function publish(
  options: Parameters<typeof nats.build>[0],
  count: number,
  events?: Events,
): Promise<Run> {
  return fed(await nats.build(options, testContext({ id: "bench" }).context), count, events);
}

type Sink = Awaited<ReturnType<typeof nats.build>>;

function fed(sink: Sink, count: number, events = eventNumber): Promise<Run> {
  return timed(count, async () => {
    for (let i = 0; i < count; i++) {
      const kept = sink.write(events(i));
      if (kept) await kept;
      // Yields now and then, as in a run, where frames come from outside.
      if (i % 100 === 99) await new Promise(setImmediate);
    }
    await sink.close(true);
  });
}

/** The client's own `publish`, with 1024 in flight and nothing on our disk. */
function bareJetStream({ port }: NatsServer, count: number): Contender {
  return {
    name: "the client's own publish, without a spool",
    run: async () => {
      const connection = await connect({ port });
      await (await jetstreamManager(connection)).streams.add({ name: "EMOTION", subjects: ["emotion.>"] });
      const js = jetstream(connection);
      const run = await timed(count, async () => {
        let underWay: Promise<unknown>[] = [];
        for (let i = 0; i < count; i++) {
          const { subject, data, ...options } = bareMessage(eventNumber(i));
          underWay.push(js.publish(subject, data, options));
          if (underWay.length < 1024) continue;
          await Promise.all(underWay);
          underWay = [];
        }
        await Promise.all(underWay);
      });
      await connection.close();
      await empty(port);
      return run;
    },
  };
}

function bareCore({ port }: NatsServer, count: number, events: Events): Contender {
  return {
    name: "the client's own publish, unbounded",
    run: async () => {
      const connection: NatsConnection = await connect({ port });
      const run = await timed(count, async () => {
        for (let i = 0; i < count; i++) {
          const { subject, data, ...options } = bareMessage(events(i));
          connection.publish(subject, data, options);
          if (i % 100 === 99) await new Promise(setImmediate);
        }
        await connection.flush();
      });
      await connection.close();
      return run;
    },
  };
}

function bareMessage(event: EmotionEvent): { subject: string; data: string; headers: MsgHdrs } {
  const own = headers();
  own.set("Nats-Msg-Id", event.id);
  own.set("Content-Type", "application/cloudevents+json");
  return { subject: `emotion.door.${event.data.track}`, data: JSON.stringify(event), headers: own };
}

async function empty(port: number): Promise<void> {
  const connection = await connect({ port });
  await (await jetstreamManager(connection)).streams.delete("EMOTION");
  await connection.close();
}
