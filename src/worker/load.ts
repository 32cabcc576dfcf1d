import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { cpuLimit } from "../cores.js";
import { monotonicMs } from "./messages.js";

/** CPU time used, and what could have been, both in the same unit and ever growing. */
interface CpuTime {
  readonly used: number;
  readonly whole: number;
}

/**
 * Share of the CPU time at hand that is used, 0 to 1: of a container's limit where it has one (cgroup v2), else of the
 * whole machine, whoever uses it. ffmpeg and every job's process count.
 */
export class LoadMeter {
  readonly #read: () => CpuTime;
  #before: CpuTime;
  #load = 0;

  constructor(read: () => CpuTime = limitedCpus() ?? machineCpus) {
    this.#read = read;
    this.#before = read();
  }

  /** To be called about once a second: half of the result is the time since the last call. */
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

/** Reads a container's own use and limit, where it has a limit. */
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

/** What decides whether a worker takes one more job. */
export interface RoomSettings {
  /** Above this share of CPU time it takes nothing, 0 to 1. Infinity: it never minds. */
  readonly maxLoad: number;
  /** Above this share of dropped frames it takes nothing, and gives the newest camera back, 0 to 1. */
  readonly maxDropped: number;
}

/** A job in so far as it makes work. */
export interface LoadedJob {
  readonly ageMs: number;
  /** Share of frames dropped lately. */
  readonly dropped: number;
}

/** What a job is taken to need of a machine until its real need can be seen: a quarter of a core. */
const FIRST_GUESS = 0.25;
/** A job younger than this has not shown yet what it needs, ms. */
const YOUNG_MS = 5000;
const OVERLOADED_MS = 30_000;

/** Room for one more job, by what is measured: CPU time used, and frames dropped. */
export class Room {
  readonly #settings: RoomSettings;
  readonly #cores: number;
  #overloadedSinceMs: number | undefined;

  constructor(settings: RoomSettings, cores: number) {
    this.#settings = settings;
    this.#cores = cores;
  }

  /**
   * Whether one more job fits. The first one does whatever the load, for others make that: on a machine that is busy
   * with other things a camera would not be watched at all.
   */
  forOneMore(load: number, jobs: readonly LoadedJob[]): boolean {
    if (jobs.length === 0) return true;
    const { maxLoad, maxDropped } = this.#settings;
    if (jobs.some(({ ageMs, dropped }) => ageMs > YOUNG_MS && dropped > maxDropped)) return false;
    const young = jobs.filter(({ ageMs }) => ageMs <= YOUNG_MS).length;
    const known = jobs.length - young;
    const each = known > 0 ? Math.min(load / known, 1) : FIRST_GUESS / this.#cores;
    return load + young * each < maxLoad;
  }

  /** True once frames have been dropped for so long that a job should go; then the time begins anew. */
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
