import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { EmotionEvent } from "#src/events/event.js";
import { Random } from "#src/model/data/random.js";
import { NatsServer } from "./nats-server.js";
import { storedMessages } from "./nats-stream.js";
import type { PublisherOptions } from "./publisher.js";

const PUBLISHER = fileURLToPath(new URL("./publisher.ts", import.meta.url));
const TRACKS = 7;
/** Longer than any round: what is sent twice is then known again. */
const DUPLICATE_WINDOW_MS = 600_000;
/** A round that takes longer hangs. */
const LIMIT_MS = 240_000;

export interface FaultRound {
  /** The same seed gives the same faults; their moments also depend on the machine. */
  readonly seed: number;
  readonly events: number;
  /** Longest halt of the server or of us, ms; from 5 s on the sink gives a halted server up. */
  readonly longestHaltMs?: number;
}

export interface FaultFigures {
  /** What was done, in order, e.g. `server killed`. */
  readonly faults: readonly string[];
  /** Times that the publisher was started. */
  readonly starts: number;
  readonly seconds: number;
  readonly stored: number;
  readonly lost: number;
  readonly doubled: number;
  /** Events that stand before an earlier one of their track. */
  readonly misplaced: number;
}

/**
 * Publishes events through the real sink while server and publisher are killed (SIGKILL), halted (SIGSTOP) and restarted
 * (SIGTERM) at random moments, starts the publisher again until it is through, and compares the stream with what was to
 * be published. Rejects when a round hangs, or the publisher fails in a way that no fault explains.
 */
export async function faultRound({ seed, events, longestHaltMs = 7000 }: FaultRound): Promise<FaultFigures> {
  const random = new Random(seed);
  const begin = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "ekspresi-faults-"));
  const server = await NatsServer.start();
  const publisher = new Publisher(await publisherProgram(folder), server.url, folder, events, random);
  const faults: string[] = [];
  const limit = new AbortController();
  const timer = setTimeout(
    () => limit.abort(new Error(`seed ${seed}: hangs after ${faults.join(", ")}`)),
    LIMIT_MS,
  );
  const say = (what: string) => faults.push(what);
  try {
    const hung = new Promise<never>((_, reject) => {
      limit.signal.addEventListener("abort", () => reject(limit.signal.reason as Error));
    });
    hung.catch(() => {}); // nobody waits any more once the round is over
    const ordeal = Promise.all([
      troubleServer(server, publisher, random, longestHaltMs, say),
      troublePublisher(publisher, random, longestHaltMs, say),
    ]);
    await Promise.race([hung, Promise.all([ordeal, publisher.through(ordeal)])]);
    const stored = await storedMessages(server.port, "EMOTION");
    const seconds = (performance.now() - begin) / 1000;
    return { faults, starts: publisher.starts, seconds, ...compareStored(stored, events) };
  } finally {
    clearTimeout(timer);
    await publisher.kill();
    await server.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function troubleServer(
  server: NatsServer,
  publisher: Publisher,
  random: Random,
  longestHaltMs: number,
  say: (what: string) => void,
): Promise<void> {
  for (const fault of shuffled(["killed", "halted", "restarted", "killed"] as const, random)) {
    await publisher.moment(random);
    if (fault === "halted") {
      say("server halted");
      server.pause();
      await sleep(random.next() * longestHaltMs);
      server.resume();
    } else {
      say(`server ${fault}`);
      await (fault === "killed" ? server.kill() : server.stop());
      await sleep(random.next() * 1000);
      await server.restart();
    }
  }
}

async function troublePublisher(
  publisher: Publisher,
  random: Random,
  longestHaltMs: number,
  say: (what: string) => void,
): Promise<void> {
  for (const fault of shuffled(["killed", "halted", "restarted", "killed"] as const, random)) {
    await publisher.moment(random);
    say(`we ${fault}`);
    if (fault === "halted") {
      publisher.signal("SIGSTOP");
      await sleep(random.next() * longestHaltMs);
      publisher.signal("SIGCONT");
    } else publisher.signal(fault === "killed" ? "SIGKILL" : "SIGTERM");
  }
}

/** The publisher as one file of JavaScript, which starts five times as fast. */
export async function publisherProgram(folder: string): Promise<string> {
  const outfile = join(folder, "publisher.mjs");
  const require = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`;
  await build({
    entryPoints: [PUBLISHER],
    bundle: true,
    platform: "node",
    format: "esm",
    banner: { js: require },
    outfile,
  });
  return outfile;
}

/** The publishing process, started again whenever it ends before it is through. */
class Publisher {
  starts = 0;
  readonly #program: string;
  readonly #options: Omit<PublisherOptions, "from">;
  /** How long it would publish undisturbed, ms. */
  readonly #activeMs: number;
  /** Begins with the first event each time, as a recording does; else goes on where it was, as a camera does. */
  readonly #again: boolean;
  #child: ChildProcess | undefined;
  #closing = false;

  constructor(program: string, url: string, folder: string, events: number, random: Random) {
    this.#program = program;
    this.#activeMs = (events / 20) * 16 ** random.next(); // 1250 to 20,000 events a second
    this.#again = random.below(3) === 0;
    const burst = 1 + random.below(200);
    this.#options = {
      url,
      to: events,
      tracks: TRACKS,
      duplicateWindow: DUPLICATE_WINDOW_MS,
      spool: join(folder, "spool"),
      taken: join(folder, "taken"),
      burst,
      pauseMs: (this.#activeMs * burst) / events,
    };
  }

  /** How many events the sink has taken. */
  get taken(): number {
    const { taken } = this.#options;
    return existsSync(taken) ? Number(readFileSync(taken, "utf8")) : 0;
  }

  /** Resolves at a random moment of its work: some time after it has next published something. */
  async moment(random: Random): Promise<void> {
    const waitMs = (random.next() * this.#activeMs) / 4;
    const before = this.taken;
    const { to } = this.#options;
    while (this.taken === before && before < to && !this.#closing) await sleep(5);
    await sleep(waitMs);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves once all is published and closed well, and all faults are over. */
  async through(faults: Promise<unknown>): Promise<void> {
    let over = false;
    void faults.then(() => {
      over = true;
    });
    for (;;) {
      const good = await this.#run();
      if (this.#closing) return;
      if (good && this.taken === this.#options.to && over) return;
      await sleep(20);
    }
  }

  /** One life of the process: true when it ended well. */
  async #run(): Promise<boolean> {
    this.starts++;
    const options: PublisherOptions = { ...this.#options, from: this.#again ? 0 : this.taken };
    const child = spawn(process.execPath, [this.#program, JSON.stringify(options)], {
      stdio: ["ignore", "inherit", "pipe"],
    });
    this.#child = child;
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    if (code === 0 || signal === "SIGKILL" || signal === "SIGTERM") return code === 0;
    if (!/^nats: \d+ events not sent /.test(said)) throw new Error(`publisher: ${code}: ${said}`);
    return false;
  }

  async kill(): Promise<void> {
    this.#closing = true;
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  }
}

/** What is amiss with a stream in which events 0 to `events` - 1 should be. */
export function compareStored(
  stored: readonly { readonly headers: Record<string, string>; readonly data: string }[],
  events: number,
): Pick<FaultFigures, "stored" | "lost" | "doubled" | "misplaced"> {
  const seen = new Set<string>();
  const newest = new Map<number, number>();
  let misplaced = 0;
  for (const { headers, data: json } of stored) {
    const { id, data } = JSON.parse(json) as EmotionEvent;
    if (headers["Nats-Msg-Id"] !== id) throw new Error(`${id} is stored as ${headers["Nats-Msg-Id"]}`);
    seen.add(id);
    if (data.frame < (newest.get(data.track) ?? -1)) misplaced++;
    newest.set(data.track, Math.max(data.frame, newest.get(data.track) ?? -1));
  }
  return { stored: stored.length, lost: events - seen.size, doubled: stored.length - seen.size, misplaced };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = random.shuffle(Uint32Array.from(items.keys()));
  return [...order].flatMap((i) => {
    const item = items[i];
    return item === undefined ? [] : [item];
  });
}
