/**
 * Tests whether the `nats` sink loses, duplicates or reorders events: `tsx scripts/nats-faults.ts [--rounds 50]
 * [--events 10000] [--seed N]`, after `npm run build`, with Debian's `nats-server`. In each round a process publishes
 * events into JetStream on disk, while server and process are killed (SIGKILL), paused (SIGSTOP) and restarted at
 * random moments; then the stream is compared with what was published. Exits with 1 if anything is wrong.
 */
import { parseArgs } from "node:util";
import { faultRound } from "../test/support/nats-faults.js";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "50" },
    events: { type: "string", default: "10000" },
    seed: { type: "string", default: String(Date.now() % 1e6) },
  },
});
const [rounds, events, seed] = [Number(values.rounds), Number(values.events), Number(values.seed)];
if (![rounds, events, seed].every(Number.isSafeInteger))
  throw new Error("usage: nats-faults.ts [--rounds N] [--events N] [--seed N]");

const total = { stored: 0, lost: 0, doubled: 0, misplaced: 0, starts: 0, seconds: 0 };
const counts = new Map<string, number>();
for (let round = 0; round < rounds; round++) {
  const figures = await faultRound({ seed: seed + round, events });
  const { stored, lost, doubled, misplaced, faults, starts, seconds } = figures;
  for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += figures[key];
  for (const fault of faults) counts.set(fault, (counts.get(fault) ?? 0) + 1);
  console.log(
    `seed ${seed + round}: ${stored} stored, ${lost} lost, ${doubled} doubled, ${misplaced} out of order; ${seconds.toFixed(0)} s, ${starts} starts; ${faults.join(", ")}`,
  );
}
const { stored, lost, doubled, misplaced, starts, seconds } = total;
console.log(
  `${rounds} rounds of ${events} events from seed ${seed}: ${stored} stored, ${lost} lost, ${doubled} doubled, ${misplaced} out of order; ${starts} starts, ${seconds.toFixed(0)} s; ${[...counts].map(([fault, count]) => `${count} times ${fault}`).join(", ")}`,
);
if (lost + doubled + misplaced > 0) process.exitCode = 1;
