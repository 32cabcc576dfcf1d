import { readFileSync } from "node:fs";
import { type Bench, quantile, type Row, ratios, spread } from "./benchmark.js";

/** One measured run: an amount of work and the time it took. */
export interface Run {
  readonly units: number;
  readonly seconds: number;
  /** Of all threads and child processes. */
  readonly cpuSeconds?: number;
}

/** Something that can be run repeatedly. */
export interface Contender {
  readonly name: string;
  run(): Promise<Run>;
}

/**
 * Runs ours and its peers in turn, A B C A B C, so that other load on the machine affects all alike. One row per peer,
 * or one without a peer; rates are units per second.
 */
export async function compare(
  bench: Bench,
  what: string,
  unit: string,
  rounds: number,
  ours: Contender,
  peers: readonly Contender[] = [],
): Promise<Row[]> {
  const runs: Run[][] = [];
  for (let round = 0; round < rounds; round++)
    for (const [i, contender] of [ours, ...peers].entries()) {
      bench.signal.throwIfAborted();
      bench.say(`${what}: ${contender.name}, round ${round + 1} of ${rounds}`);
      runs[i] = [...(runs[i] ?? []), await contender.run()];
    }
  const [own = [], ...others] = runs;
  const row = (theirs: readonly Run[] = [], name?: string): Row => {
    const cpu = [cpuMs(own), cpuMs(theirs)] as const;
    return {
      what,
      unit: `${unit}/s`,
      ours: spread(rates(own)),
      ...(name !== undefined && {
        peer: { name, value: spread(rates(theirs)) },
        ratio: ratios(rates(own), rates(theirs)),
      }),
      ...(cpu[0] !== undefined && {
        cpuMs: { ours: cpu[0], ...(cpu[1] !== undefined && { peer: cpu[1] }) },
      }),
    };
  };
  return peers.length === 0 ? [row()] : peers.map(({ name }, i) => row(others[i], name));
}

const rates = (runs: readonly Run[]) => runs.map(({ units, seconds }) => units / seconds);

function cpuMs(runs: readonly Run[]): number | undefined {
  const each = runs.flatMap(({ units, cpuSeconds }) =>
    cpuSeconds === undefined ? [] : [(cpuSeconds * 1000) / units],
  );
  return each.length > 0 ? quantile(each, 0.5) : undefined;
}

/** Times work in this process, including its worker threads. */
export async function timed(units: number, work: () => Promise<void>): Promise<Run> {
  const cpu = process.cpuUsage();
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return { units, seconds, cpuSeconds: (user + system) / 1e6 };
}

/** CPU time of child processes that have ended, including their own, in seconds. Only Linux reports it. */
export function childrenCpuSeconds(): number | undefined {
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[13]) + Number(fields[14])) / 100; // cutime and cstime, in ticks of 10 ms
  } catch {
    return undefined;
  }
}
