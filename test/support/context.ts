import { join } from "node:path";
import type { PixelFormat } from "#src/media/frame.js";
import { FrameMemory, FramePool } from "#src/media/pool.js";
import type { Log, RunContext, SourceContext, SourceStats } from "#src/pipeline/context.js";
import { Histogram } from "#src/pipeline/histogram.js";

/** A run context for one component, and what a test wants to see of it. */
export interface TestContext {
  readonly context: SourceContext;
  readonly pool: FramePool;
  /** Lines logged, as `level message`. */
  readonly logged: string[];
  /** Ends a source cleanly. */
  stop(): void;
  /** Runs what was deferred, in reverse order. */
  close(): Promise<void>;
}

export function testContext(
  options: {
    id?: string;
    slots?: number;
    format?: PixelFormat;
    live?: boolean;
    lastToSee?: boolean;
    late?: number;
  } = {},
): TestContext {
  const { id = "test", slots = 4, format = "gray", live = false, lastToSee = false, late = 0 } = options;
  const memory = new FrameMemory();
  const changed = new Set<() => void>();
  const pool = new FramePool(memory, slots, () => {
    for (const callback of changed) callback();
  });
  const stop = new AbortController();
  const deferred: (() => void | Promise<void>)[] = [];
  const logged: string[] = [];
  const source: SourceStats = {
    id,
    live,
    identity: id,
    state: "opening",
    decoded: 0,
    dropped: 0,
    reconnects: 0,
    mediaTimeMs: 0,
  };
  const run: RunContext = {
    id,
    pipeline: { name: "test" },
    baseDir: process.cwd(),
    stateDir: join(process.cwd(), ".spool"),
    signal: new AbortController().signal,
    memory,
    log: logInto(logged),
    stats: { sources: [source], faces: 0, events: 0, engines: [], eventDelayMs: new Histogram([100, 1000]) },
    startedAtMs: Date.UTC(2026, 0, 1),
    lastToSee,
    held: 0,
    late,
    hides: false,
    occupancy: {
      get leased() {
        return pool.leased;
      },
      get exhausted() {
        return source.state === "ended" || pool.free === 0;
      },
      onChange(callback) {
        changed.add(callback);
        return () => changed.delete(callback);
      },
    },
    defer: (close) => deferred.push(close),
  };
  return {
    context: { ...run, pool, format, stop: stop.signal, source, ready: () => undefined },
    pool,
    logged,
    stop: () => stop.abort(),
    close: async () => {
      for (const close of deferred.splice(0).reverse()) await close();
    },
  };
}

function logInto(lines: string[]): Log {
  const at = (level: string) => (message: string) => {
    lines.push(`${level} ${message}`);
  };
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
