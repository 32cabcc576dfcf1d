import { Worker } from "node:worker_threads";
import { cores } from "../cores.js";
import { messageOf, OperatorError } from "../errors.js";
import type { FrameMemory } from "../media/pool.js";
import type { CompiledCascade } from "./compile.js";
import { boxesOf, type Plane, type ScaleWindows, scratchBytes } from "./detector.js";
import type { Detection } from "./group.js";
import { type Capacity, NO_CAPACITY, withPicture } from "./layout.js";
import { type ScanOptions, scalesOf } from "./scales.js";
import { kernelModule } from "./wasm.js";
import type { Answer, Job, WorkerSetup } from "./worker.js";

interface Task {
  readonly plane: Plane;
  readonly options: ScanOptions;
  readonly scales: number;
  /** Index of the counter with the next scale; -1 while the task waits. */
  counter: number;
  /** Workers on this task. */
  members: number;
  readonly found: ScaleWindows[];
  error: string | undefined;
  resolve(boxes: Detection[]): void;
  reject(error: Error): void;
}

interface Member {
  readonly worker: Worker;
  task: Task | undefined;
  capacity: Capacity;
  scratch: { offset: number; bytes: number } | undefined;
}

/**
 * Worker threads that run a cascade on planes in a frame memory, first come, first served. A worker with no plane
 * waiting helps with one in progress: each takes the next scale, starting with the largest picture. Planes are read in
 * place: they must not change until the promise settles.
 */
export class HaarPool {
  readonly workers: number;
  readonly #compiled: CompiledCascade;
  readonly #memory: FrameMemory;
  readonly #members: Member[] = [];
  readonly #waiting: Task[] = [];
  readonly #underWay: Task[] = [];
  readonly #counters: Int32Array;
  /** Bytes of scratch memory for the largest picture so far. */
  #largest = 0;
  #broken: OperatorError | undefined;

  private constructor(compiled: CompiledCascade, memory: FrameMemory, workers: number) {
    this.#compiled = compiled;
    this.#memory = memory;
    this.workers = workers;
    this.#counters = new Int32Array(new SharedArrayBuffer(4 * workers));
  }

  /** Starts `workers` threads (default: as many as there are cores), or rejects with `OperatorError`. */
  static async create(compiled: CompiledCascade, memory: FrameMemory, workers = cores()): Promise<HaarPool> {
    const pool = new HaarPool(compiled, memory, workers);
    const wasm = await kernelModule();
    const setup: WorkerSetup = { compiled, memory: memory.memory, wasm, counters: pool.#counters };
    try {
      while (pool.#members.length < workers) pool.#start(setup);
    } catch (cause) {
      const started = pool.#members.length;
      await pool.close(); // its threads would keep the process alive
      throw new OperatorError(
        "HAAR_WORKER",
        `detect: only ${started} of ${workers} threads could be started (${messageOf(cause)}); set fewer \`workers\`, or raise the limit of processes (ulimit -u, or the container's)`,
        { cause },
      );
    }
    return pool;
  }

  /** Boxes in pixels of the plane. Rejects with `OperatorError` if a worker died or the pool was closed. */
  detect(plane: Plane, options: ScanOptions = {}): Promise<Detection[]> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      const scales = scalesOf(this.#compiled.cascade, plane, options).length;
      const rest = { counter: -1, members: 0, found: [], error: undefined };
      this.#waiting.push({ plane, options, scales, ...rest, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends every worker; waiting tasks are rejected. */
  async close(): Promise<void> {
    this.#fail(new OperatorError("HAAR_CLOSED", "detect: the detector was closed"));
    const members = this.#members.splice(0);
    await Promise.all(members.map((member) => member.worker.terminate()));
    for (const { scratch } of members) if (scratch) this.#memory.free(scratch);
  }

  #start(setup: WorkerSetup): void {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: setup });
    const member: Member = { worker, task: undefined, capacity: NO_CAPACITY, scratch: undefined };
    worker.on("message", (answer: Answer) => this.#settle(member, answer));
    worker.on("error", (error) => this.#died(messageOf(error), error));
    worker.on("exit", () => this.#died("it exited"));
    this.#members.push(member);
  }

  #dispatch(): void {
    for (const member of this.#members) {
      if (member.task) continue;
      const task = this.#waiting.shift() ?? this.#underWay.find((other) => this.#hasWork(other));
      if (!task) return;
      try {
        this.#assign(member, task);
      } catch (error) {
        // Without memory for its first worker a task fails; without memory for another, it just does not get one.
        if (task.members === 0) task.reject(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  #assign(member: Member, task: Task): void {
    const scratch = this.#fit(member, task);
    if (task.members === 0) this.#begin(task);
    const job: Job = { plane: task.plane, options: task.options, counter: task.counter, ...scratch };
    member.worker.postMessage(job);
    member.task = task;
    task.members++;
  }

  /** Whether there are scales left that no worker has taken. */
  #hasWork(task: Task): boolean {
    return task.error === undefined && Atomics.load(this.#counters, task.counter) < task.scales;
  }

  #begin(task: Task): void {
    const taken = this.#underWay.map(({ counter }) => counter);
    task.counter = this.#counters.findIndex((_, i) => !taken.includes(i));
    Atomics.store(this.#counters, task.counter, 0);
    this.#underWay.push(task);
  }

  /** Gives a worker another scratch region, or divides the one it has otherwise, if this task needs that. */
  #fit(member: Member, { plane }: Task): Pick<Job, "scratch"> {
    const both = withPicture(member.capacity, plane);
    if (member.scratch && both === member.capacity) return {};
    const bytesFor = (capacity: Capacity) => scratchBytes(this.#compiled, capacity);
    this.#largest = Math.max(this.#largest, bytesFor(plane));
    // Room for a wide picture and for a tall one is far less than room for one that is both.
    const capacity =
      bytesFor(both) <= 2 * this.#largest ? both : { width: plane.width, height: plane.height };
    if (!member.scratch || member.scratch.bytes < bytesFor(capacity)) {
      if (member.scratch) this.#memory.free(member.scratch);
      member.scratch = undefined; // also if there is no memory for another
      member.capacity = NO_CAPACITY;
      member.scratch = this.#memory.allocate(bytesFor(capacity));
    }
    member.capacity = capacity;
    return { scratch: { offset: member.scratch.offset, capacity } };
  }

  #settle(member: Member, answer: Answer): void {
    const task = member.task;
    member.task = undefined;
    if (!task) return;
    if ("found" in answer) task.found.push(...answer.found);
    else task.error ??= answer.error;
    task.members--;
    if (task.members === 0) this.#underWay.splice(this.#underWay.indexOf(task), 1);
    this.#dispatch();
    if (task.members > 0) return;
    if (task.error === undefined) task.resolve(boxesOf(task.found, task.plane, task.options.minNeighbors));
    else task.reject(new OperatorError("HAAR_WORKER", `detect: ${task.error}`));
  }

  #died(why: string, cause?: unknown): void {
    this.#fail(
      new OperatorError("HAAR_WORKER", `detect: a worker thread died (${why}); start the run again`, {
        cause,
      }),
    );
  }

  /** Keeps the first failure: it rejects everything waiting and everything to come. */
  #fail(error: OperatorError): void {
    if (this.#broken) return;
    this.#broken = error;
    for (const task of this.#waiting.splice(0)) task.reject(error);
    for (const member of this.#members) {
      member.task?.reject(error);
      member.task = undefined;
    }
  }
}
