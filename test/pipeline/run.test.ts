import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { map, Observable, tap } from "rxjs";
import { Type } from "typebox";
import { SourceError } from "#src/errors.js";
import { type FaceFrame, Frame } from "#src/media/frame.js";
import { type Component, operator, sink, source } from "#src/pipeline/component.js";
import { parsePipeline } from "#src/pipeline/load.js";
import { type RunOptions, type RunSummary, type RunView, runPlan } from "#src/pipeline/run.js";
import { eventOf } from "../support/event.js";

const BYTES = 64;
const log = { debug() {}, info() {}, warn() {}, error() {} };

/** Items received by the sinks of one run, as `source:sequence`, by sink id. */
const received = new Map<string, string[]>();
/** What happened, in order. */
const happened: string[] = [];
let hold: Promise<void> | undefined;

function take(id: string, item: string): Promise<void> | undefined {
  received.set(id, [...(received.get(id) ?? []), item]);
  return hold;
}

const components = [
  source({
    type: "count",
    summary: "Numbered frames.",
    options: Type.Object({
      frames: Type.Optional(Type.Integer({ description: "How many; without it no end." })),
      failAt: Type.Optional(Type.Integer({ description: "The frame at which it fails." })),
    }),
    example: "- { type: count, frames: 3 }",
    live: () => false,
    open: ({ frames = Number.POSITIVE_INFINITY, failAt = -1 }, context) =>
      new Observable<Frame>((taker) => {
        const closed = new AbortController();
        context.stop.addEventListener("abort", () => closed.abort(), { once: true, signal: closed.signal });
        const read = async () => {
          for (let sequence = 0; sequence < frames && !context.stop.aborted; sequence++) {
            if (sequence === failAt) throw new SourceError("SOURCE_BROKEN", `${context.id} broke`);
            await context.ready();
            const slot = await context.pool.acquire(BYTES, closed.signal);
            if (!slot) return;
            context.source.decoded++;
            taker.next(
              new Frame(
                {
                  source: context.id,
                  sequence,
                  mediaTimeMs: sequence,
                  wallTimeMs: 0,
                  width: 8,
                  height: 8,
                  format: "gray",
                },
                slot,
                context.pool,
              ),
            );
            if (sequence % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
          }
          taker.complete();
        };
        read().catch((error: unknown) => taker.error(error));
        return () => closed.abort();
      }),
  }),
  operator({
    type: "pass",
    summary: "Passes frames on; on request keeps one or fails.",
    takes: "frames",
    gives: "frames",
    options: Type.Object({
      leakAt: Type.Optional(Type.Integer({ description: "Forgets to release this frame." })),
      leakFrom: Type.Optional(Type.Integer({ description: "And all from this one on." })),
      releaseAt: Type.Optional(Type.Integer({ description: "Releases this frame, and passes it on." })),
      failAt: Type.Optional(Type.Integer({ description: "Fails at this frame." })),
      broken: Type.Optional(Type.Boolean({ description: "Cannot be built." })),
    }),
    example: "- { type: pass }",
    build: ({ leakAt, leakFrom, releaseAt, failAt, broken }, context) => {
      if (broken) throw new Error("cannot be built");
      context.defer(() => void happened.push(`closed ${context.id}`));
      return tap((frame: Frame) => {
        if (frame.sequence === leakAt || frame.sequence >= (leakFrom ?? Number.POSITIVE_INFINITY))
          frame.retain();
        if (frame.sequence === releaseAt) frame.release();
        if (frame.sequence === failAt) throw new Error("the operator broke");
      });
    },
  }),
  operator({
    type: "tell",
    summary: "An event a frame.",
    takes: "frames",
    gives: "events",
    options: Type.Object({}),
    example: "- { type: tell }",
    build: () =>
      map((frame: Frame) => {
        frame.release();
        return eventOf(frame.sequence);
      }),
  }),
  operator({
    type: "hold",
    summary: "Holds all frames until the end.",
    takes: "frames",
    gives: "frames",
    options: Type.Object({}),
    example: "- { type: hold }",
    build: (_options) => (frames) =>
      new Observable<Frame>((taker) => {
        const held: Frame[] = [];
        taker.add(() => {
          for (const frame of held) frame.release();
        });
        taker.add(
          frames.subscribe({ next: (frame) => void held.push(frame), complete: () => taker.complete() }),
        );
      }),
  }),
  ...(["frames", "events"] as const).map((takes) =>
    sink({
      type: `keep-${takes}`,
      summary: "Keeps what it is given.",
      takes,
      options: Type.Object({
        failAt: Type.Optional(Type.Integer({ description: "Fails at its n-th item." })),
      }),
      example: `- { type: keep-${takes} }`,
      build: ({ failAt }, { id }) => {
        let n = 0;
        return {
          write: (item: Frame | FaceFrame | ReturnType<typeof eventOf>) => {
            if (n++ === failAt) throw new Error("the sink broke");
            return take(id, "slot" in item ? `${item.source}:${item.sequence}` : "id" in item ? item.id : "");
          },
          close: () => void happened.push(`closed ${id}`),
        };
      },
    }),
  ),
] as unknown as readonly Component[];

function run(sources: string, operators: string, sinks: string, options: Partial<RunOptions> = {}) {
  const text = `version: 1\nname: p\nsources: [${sources}]\noperators: [${operators}]\nsinks: [${sinks}]\n`;
  return runPlan(parsePipeline(text, "/", { registry: components }), { log, ...options });
}
const numbers = (id: string, count: number) => Array.from({ length: count }, (_, n) => `${id}:${n}`);
const messages = ({ errors }: RunSummary) => errors.map(({ message }) => message);
const of = (sinkId: string, sourceId: string) =>
  (received.get(sinkId) ?? []).filter((item) => item.startsWith(`${sourceId}:`));

describe("a run", () => {
  beforeEach(() => {
    received.clear();
    happened.length = 0;
    hold = undefined;
  });

  it("delivers every frame of every recording to the sink in order, and gets all slots back", async () => {
    const summary = await run(
      "{ id: a, type: count, frames: 500 }, { id: b, type: count, frames: 300 }",
      "{ type: pass }",
      "{ id: s, type: keep-frames }",
    );
    assert.deepEqual(messages(summary), []);
    assert.deepEqual(of("s", "a"), numbers("a", 500));
    assert.deepEqual(of("s", "b"), numbers("b", 300));
    assert.deepEqual(summary.sinks, [{ id: "s", written: 800, lost: 0 }]);
    assert.deepEqual(
      summary.sources.map(({ id, decoded, state }) => [id, decoded, state]),
      [
        ["a", 500, "ended"],
        ["b", 300, "ended"],
      ],
    );
    for (const { seconds = 0 } of summary.sources) assert(0 < seconds && seconds <= summary.seconds);
  });

  it("gives each consumer of a shared flow every frame with its own lease", async () => {
    const summary = await run(
      "{ id: a, type: count, frames: 200 }",
      "{ id: p, type: pass }, { id: q, type: pass, from: p }, { id: r, type: pass, from: p }",
      "{ id: s, type: keep-frames, from: q }, { id: t, type: keep-frames, from: r }, { id: u, type: keep-frames, from: [q, r] }",
    );
    assert.deepEqual(messages(summary), []);
    assert.deepEqual(of("s", "a"), numbers("a", 200));
    assert.deepEqual(of("t", "a"), numbers("a", 200));
    assert.equal(of("u", "a").length, 400);
  });

  it("continues with the other sources when one fails, but still fails in the end", async () => {
    const summary = await run(
      "{ id: a, type: count, frames: 100, failAt: 7 }, { id: b, type: count, frames: 100 }",
      "{ type: pass }",
      "{ id: s, type: keep-frames }",
    );
    assert.deepEqual(messages(summary), ["a broke"]);
    assert.deepEqual(of("s", "a"), numbers("a", 7));
    assert.deepEqual(of("s", "b"), numbers("b", 100));
  });

  it("ends when an operator fails, and writes what the sinks have received", async () => {
    const summary = await run(
      "{ id: a, type: count }",
      "{ type: pass, failAt: 50 }",
      "{ id: s, type: keep-frames }",
    );
    assert.deepEqual(messages(summary), ["pass: the operator broke"]);
    assert.deepEqual(of("s", "a"), numbers("a", 50));
  });

  it("stops when a sink fails, counts what was not written, and writes everything read to the others", async () => {
    const summary = await run(
      "{ id: a, type: count }",
      "{ type: pass }",
      "{ id: s, type: keep-frames, failAt: 20 }, { id: t, type: keep-frames }",
    );
    assert.deepEqual(messages(summary), ["s: the sink broke"]);
    const decoded = summary.sources[0]?.decoded ?? 0;
    assert.deepEqual(of("t", "a"), numbers("a", decoded));
    assert.deepEqual(summary.sinks, [
      { id: "s", written: 20, lost: decoded - 20 },
      { id: "t", written: decoded, lost: 0 },
    ]);
  });

  it("reports a frame that was not returned", async () => {
    const summary = await run(
      "{ id: a, type: count, frames: 20 }",
      "{ type: pass, leakAt: 3 }",
      "{ type: keep-frames }",
    );
    assert.match(
      messages(summary).join(),
      /source a: 1 of \d+ frame slots were not returned; an operator must pass on or release each frame exactly once/,
    );
  });

  it("reports once a frame that was returned twice, without ending the process", async () => {
    for (const holder of ["", ", { type: hold }"]) {
      const summary = await run(
        "{ id: a, type: count, frames: 6 }",
        `{ type: pass, releaseAt: 5 }${holder}`,
        "{ type: keep-frames }",
      );
      assert.match(
        messages(summary).join("\n"),
        /^frame slot \d+ was released twice: each frame must be .*$/,
      );
    }
  });

  it("reports once, after ten seconds, that no slot is returned", async () => {
    const clock = performance.now;
    const warned: string[] = [];
    const abort = new AbortController();
    const warn = (message: string) => void warned.push(message);
    let view: RunView | undefined;
    const started = (running: RunView) => {
      view = running;
    };
    const running = run(
      "{ id: a, type: count, frames: 200 }",
      "{ type: pass, leakFrom: 20 }",
      "{ type: keep-frames }",
      { log: { ...log, warn }, abort: abort.signal, started },
    );
    try {
      while (!view || view.leased() < view.slots) await new Promise((resolve) => setTimeout(resolve, 20));
      performance.now = () => clock.call(performance) + 10_000;
      await new Promise((resolve) => setTimeout(resolve, 2500));
    } finally {
      performance.now = clock;
      abort.abort();
    }
    await running;
    assert.equal(warned.length, 1);
    assert.match(
      warned.join(),
      /^source a: no progress for 10 s with all \d+ frame slots in use; a sink is very slow, or an operator/,
    );
  });

  it("finishes frames in progress when stopped, so that as many are written as read", async () => {
    const stop = new AbortController();
    const ending = run("{ id: a, type: count }", "{ type: pass }", "{ id: s, type: keep-frames }", {
      stop: stop.signal,
    });
    setImmediate(() => stop.abort());
    const summary = await ending;
    assert.deepEqual(messages(summary), []);
    assert.equal(summary.sinks[0]?.written, summary.sources[0]?.decoded);
    assert.equal(summary.sinks[0]?.lost, 0);
  });

  it("removes its listeners from the given signals, which may outlive many runs", async () => {
    const [stop, abort] = [new AbortController(), new AbortController()];
    const signals = { stop: stop.signal, abort: abort.signal };
    await run("{ id: a, type: count, frames: 3 }", "{ type: pass }", "{ type: keep-frames }", signals);
    for (const { signal } of [stop, abort]) assert.deepEqual(getEventListeners(signal, "abort"), []);
  });

  it("causes no Node warning with many sources", async () => {
    const warned: Error[] = [];
    const note = (warning: Error) => warned.push(warning);
    process.on("warning", note);
    try {
      const sources = Array.from({ length: 24 }, (_, i) => `{ id: s${i}, type: count, frames: 40 }`);
      await run(sources.join(", "), "{ type: pass }", "{ type: keep-frames }");
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("warning", note);
    }
    assert.deepEqual(warned, []);
  });

  it("pauses a recording while a sink is stalled, and loses nothing when it resumes", async () => {
    let goOn = () => {};
    hold = new Promise((resolve) => {
      goOn = resolve;
    });
    let view: RunView | undefined;
    const ending = run(
      "{ id: a, type: count, frames: 5000 }",
      "{ type: tell }",
      "{ id: s, type: keep-events }",
      {
        started: (running) => {
          view = running;
        },
      },
    );
    for (let i = 0; i < 2000; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(received.get("s")?.length, 1);
    assert.equal(view?.backlog(), 1024);
    assert.equal(view?.stats.sources[0]?.decoded, 1025);
    goOn();
    const summary = await ending;
    assert.deepEqual(messages(summary), []);
    assert.equal(received.get("s")?.length, 5000);
  });

  it("ends when aborted even if a sink hangs, and counts what that sink did not get", async () => {
    hold = new Promise(() => {});
    const abort = new AbortController();
    const ending = run("{ id: a, type: count }", "{ type: tell }", "{ id: s, type: keep-events }", {
      abort: abort.signal,
    });
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    abort.abort();
    const summary = await ending;
    assert.equal(summary.sinks[0]?.written, 0);
    assert.ok((summary.sinks[0]?.lost ?? 0) > 0);
  });

  it("closes what was opened in reverse order, even if a later component cannot be built", async () => {
    await run(
      "{ type: count, frames: 1 }",
      "{ id: p, type: pass }, { id: q, type: pass }",
      "{ id: s, type: keep-frames }",
    );
    assert.deepEqual(happened, ["closed s", "closed q", "closed p"]);
    happened.length = 0;
    await assert.rejects(
      run(
        "{ type: count, frames: 1 }",
        "{ id: p, type: pass }, { id: q, type: pass, broken: true }",
        "{ id: s, type: keep-frames }",
      ),
      /cannot be built/,
    );
    assert.deepEqual(happened, ["closed p"]);
  });
});
