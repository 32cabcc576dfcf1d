import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { messageOf, OperatorError } from "../errors.js";
import type { FrameMemory } from "../media/pool.js";
import type { Cascade } from "./cascade.js";
import { type CompiledCascade, compileCascade } from "./compile.js";
import { type Plane, scratchBytes } from "./detector.js";
import type { Detection } from "./group.js";
import { type Capacity, NO_CAPACITY, withPicture } from "./layout.js";
import type { ScanOptions } from "./scales.js";
import { kernelModule } from "./wasm.js";
import type { Answer, Job, WorkerSetup } from "./worker.js";

interface Task {
  readonly plane: Plane;
  readonly options: ScanOptions;
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
 * Worker threads that run a cascade on planes lying in a frame memory, first come, first served. Planes are read in
 * place: they must not change until the promise settles.
 */
export class HaarPool {
  readonly workers: number;
  readonly #compiled: CompiledCascade;
  readonly #memory: FrameMemory;
  readonly #members: Member[] = [];
  readonly #waiting: Task[] = [];
  #capacity: Capacity = NO_CAPACITY;
  #broken: OperatorError | undefined;

  private constructor(compiled: CompiledCascade, memory: FrameMemory, workers: number) {
    this.#compiled = compiled;
    this.#memory = memory;
    this.workers = workers;
  }

  /** Starts `workers` threads (default: as many as there are cores). */
  static async create(
    cascade: Cascade,
    memory: FrameMemory,
    workers = availableParallelism(),
  ): Promise<HaarPool> {
    const compiled = await compileCascade(cascade);
    const pool = new HaarPool(compiled, memory, workers);
    const setup: WorkerSetup = { compiled, memory: memory.memory, wasm: await kernelModule() };
    for (let i = 0; i < workers; i++) pool.#start(setup);
    return pool;
  }

  /** Tasks that wait for a worker. */
  get queued(): number {
    return this.#waiting.length;
  }

  /** Boxes in pixels of the plane. Rejects with `OperatorError` when a worker died or the pool was closed. */
  detect(plane: Plane, options: ScanOptions = {}): Promise<Detection[]> {
    return new Promise((resolve, reject) => {
      if (this.#broken) return reject(this.#broken);
      this.#waiting.push({ plane, options, resolve, reject });
      this.#dispatch();
    });
  }

  /** Ends every worker; what still waits is rejected. */
  async close(): Promise<void> {
    this.#fail(new OperatorError("HAAR_CLOSED", "detect: the detector was closed"));
    for (const member of this.#members) if (member.scratch) this.#memory.free(member.scratch);
    await Promise.all(this.#members.splice(0).map((member) => member.worker.terminate()));
  }

  #start(setup: WorkerSetup): void {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: setup });
    const member: Member = { worker, task: undefined, capacity: NO_CAPACITY, scratch: undefined };
    worker.on("message", (answer: Answer) => this.#settle(member, answer));
    worker.on("error", (error) => this.#died(messageOf(error), error));
    worker.on("exit", () => this.#died("it ended"));
    this.#members.push(member);
  }

  #dispatch(): void {
    for (const member of this.#members) {
      if (member.task) continue;
      const task = this.#waiting.shift();
      if (!task) return;
      try {
        const job: Job = { plane: task.plane, options: task.options, ...this.#fit(member, task) };
        member.task = task;
        member.worker.postMessage(job);
      } catch (error) {
        task.reject(error instanceof Error ? error : new Error(String(error)));
      }
    }
  }

  /** Gives a worker a larger scratch region where this task needs one. */
  #fit(member: Member, task: Task): Pick<Job, "scratch"> {
    const wanted = withPicture(this.#capacity, task.plane);
    this.#capacity = wanted;
    if (member.scratch && withPicture(member.capacity, task.plane) === member.capacity) return {};
    if (member.scratch) this.#memory.free(member.scratch);
    member.capacity = wanted;
    member.scratch = this.#memory.allocate(scratchBytes(this.#compiled, wanted));
    return { scratch: { offset: member.scratch.offset, capacity: member.capacity } };
  }

  #settle(member: Member, answer: Answer): void {
    const task = member.task;
    member.task = undefined;
    this.#dispatch();
    if ("boxes" in answer) task?.resolve(answer.boxes);
    else task?.reject(new OperatorError("HAAR_WORKER", `detect: ${answer.error}`));
  }

  #died(why: string, cause?: unknown): void {
    this.#fail(
      new OperatorError("HAAR_WORKER", `detect: a worker thread died (${why}); start the run again`, {
        cause,
      }),
    );
  }

  /** The first failure stays: everything now waiting and everything to come is rejected with it. */
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
