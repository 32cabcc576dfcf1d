import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { cpuLimit } from "../cores.js";
import { monotonicMs } from "./messages.js";

/** CPU time used and available, as monotonic counters in the same unit. */
interface CpuTime {
  readonly used: number;
  readonly whole: number;
}

/**
 * Share of available CPU time in use, 0 to 1: of a container's limit if there is one (cgroup v2), else of the whole
 * machine, by any process. Includes ffmpeg and all job processes.
 */
export class LoadMeter {
  readonly #read: () => CpuTime;
  #before: CpuTime;
  #load = 0;

  constructor(read: () => CpuTime = limitedCpus() ?? machineCpus) {
    this.#read = read;
    this.#before = read();
  }

  /** Call about once a second: the time since the last call weighs half. */
  sample(): number {
    const now = this.#read();
    const whole = now.whole - this.#before.whole;
    if (whole > 0) this.#load = (this.#load + Math.min(1, (now.used - this.#before.used) / whole)) / 2;
    this.#before = now;
    return this.#load;
  }
}

function machineCpus(): CpuTime {
  let used = 0;
  let whole = 0;
  for (const { times } of cpus()) {
    const all = times.user + times.nice + times.sys + times.irq + times.idle;
    used += all - times.idle;
    whole += all;
  }
  return { used, whole };
}

/** Reads a container's usage and limit, if it has a limit. */
function limitedCpus(): (() => CpuTime) | undefined {
  const read = (): CpuTime | undefined => {
    try {
      const limit = cpuLimit();
      const usage = Number(/^usage_usec (\d+)$/m.exec(readFileSync("/sys/fs/cgroup/cpu.stat", "utf8"))?.[1]);
      if (limit === undefined || Number.isNaN(usage)) return undefined;
      return { used: usage, whole: monotonicMs() * 1000 * limit };
    } catch {
      return undefined; // not Linux, or cgroup v1
    }
  };
  const first = read();
  return first && (() => read() ?? first);
}

/** Limits for taking another job. */
export interface RoomSettings {
  /** Above this share of CPU time, no more jobs are taken, 0 to 1. Infinity: no limit. */
  readonly maxLoad: number;
  /** Above this share of dropped frames, no more jobs are taken and the newest camera is returned, 0 to 1. */
  readonly maxDropped: number;
}

/** The load-related properties of a job. */
export interface LoadedJob {
  readonly ageMs: number;
  /** Share of recently dropped frames. */
  readonly dropped: number;
}

/** Assumed load of a job until its real load is known: a quarter of a core. */
const FIRST_GUESS = 0.25;
/** The load of a job younger than this is not known yet, ms. */
const YOUNG_MS = 5000;
const OVERLOADED_MS = 30_000;

/** Decides whether there is room for another job, from measured CPU time and dropped frames. */
export class Room {
  readonly #settings: RoomSettings;
  readonly #cores: number;
  #overloadedSinceMs: number | undefined;

  constructor(settings: RoomSettings, cores: number) {
    this.#settings = settings;
    this.#cores = cores;
  }

  /**
   * Whether another job fits. The first one always does, since the load then comes from other programs: on a machine
   * busy with other things, a camera would otherwise never be watched.
   */
  forOneMore(load: number, jobs: readonly LoadedJob[]): boolean {
    if (jobs.length === 0) return true;
    const { maxLoad, maxDropped } = this.#settings;
    if (jobs.some(({ ageMs, dropped }) => ageMs > YOUNG_MS && dropped > maxDropped)) return false;
    const young = jobs.filter(({ ageMs }) => ageMs <= YOUNG_MS).length;
    const known = jobs.length - young;
    const each = known > 0 ? load / known : FIRST_GUESS / this.#cores;
    return load + young * each < maxLoad;
  }

  /** True once frames have been dropped for so long that a job should leave; the period then restarts. */
  tooFull(jobs: readonly LoadedJob[], nowMs: number): boolean {
    const dropping = jobs.some(
      ({ ageMs, dropped }) => ageMs > YOUNG_MS && dropped > this.#settings.maxDropped,
    );
    if (!dropping) this.#overloadedSinceMs = undefined;
    else this.#overloadedSinceMs ??= nowMs;
    if (this.#overloadedSinceMs === undefined || nowMs - this.#overloadedSinceMs < OVERLOADED_MS)
      return false;
    this.#overloadedSinceMs = nowMs;
    return true;
  }
}
