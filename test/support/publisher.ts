// Publishes numbered events through the real sink, in a process that others may halt and kill: `publisher.ts '{...}'`.
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { nats } from "#src/sinks/nats/index.js";
import { testContext } from "./context.js";
import { eventOf } from "./event.js";

export interface PublisherOptions {
  readonly url: string;
  readonly spool: string;
  /** How long the stream knows an event again, ms. */
  readonly duplicateWindow: number;
  /** Numbers of the first event to publish and of the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly tracks: number;
  /** File that holds the number after that of the newest event that the sink has taken. */
  readonly taken: string;
  /** A pause after each burst of events. */
  readonly burst: number;
  readonly pauseMs: number;
}

const options = JSON.parse(process.argv[2] ?? "") as PublisherOptions;
let stopped = false;
process.once("SIGTERM", () => {
  stopped = true;
});
const taken = openSync(options.taken, constants.O_WRONLY | constants.O_CREAT);
try {
  const { context } = testContext({ id: "nats" });
  const sink = await nats.build(
    {
      url: options.url,
      stream: { name: "EMOTION", create: true, duplicateWindow: options.duplicateWindow },
      spool: { path: options.spool },
    },
    context,
  );
  for (let n = options.from; n < options.to && !stopped; n++) {
    await sink.write(eventOf(n, { track: 1 + (n % options.tracks) }));
    writeSync(taken, String(n + 1).padStart(10), 0);
    if (n % options.burst === 0) await sleep(options.pauseMs);
  }
  await sink.close(!stopped);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
closeSync(taken);
