import { EkspresiError } from "../errors.js";

// For programs for Node, which are compiled without TypeScript's `dom`: WebAssembly has no types but there.
declare global {
  namespace WebAssembly {
    interface Memory {}
    interface Module {}
  }
}

const WASM_PAGE = 65536;
const MAX_PAGES = 65536; // 4 GiB, the most that a 32-bit memory can have

/**
 * One shared WebAssembly memory for a whole run. It contains the frame slots and the kernels' scratch space, so that a
 * Haar worker reads a frame's pixels where ffmpeg's bytes were put, without a copy.
 *
 * Regions are page-aligned. A freed region is reused for a request of at most its size.
 */
export class FrameMemory {
  readonly memory: WebAssembly.Memory;
  /** Told of a lease that was returned twice. */
  readonly returnedTwice: (error: EkspresiError) => void;
  #next: number;
  readonly #free: { offset: number; bytes: number }[] = [];

  /** Without `returnedTwice`, what returns a lease twice throws; in a finalizer that would end the process. */
  constructor(returnedTwice?: (error: EkspresiError) => void) {
    this.returnedTwice =
      returnedTwice ??
      ((error) => {
        throw error;
      });
    this.memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared: true });
    this.#next = WASM_PAGE; // page 0 is left to the kernel's own constants
  }

  /** Bytes allocated from the system so far. */
  get bytes(): number {
    return this.#next;
  }

  /**
   * Offset of `bytes` fresh or reused bytes (contents undefined), a multiple of 65536. Throws if all 4 GiB are used.
   */
  allocate(bytes: number): { offset: number; bytes: number } {
    const wanted = Math.max(1, Math.ceil(bytes / WASM_PAGE)) * WASM_PAGE;
    let best = -1;
    for (const [i, region] of this.#free.entries()) {
      if (region.bytes >= wanted && (best < 0 || region.bytes < (this.#free[best]?.bytes ?? 0))) best = i;
    }
    const reused = best >= 0 ? this.#free.splice(best, 1)[0] : undefined;
    if (reused) return reused;
    const end = this.#next + wanted;
    const missing = end + WASM_PAGE - this.memory.buffer.byteLength; // kernels read slightly past the end of a picture
    if (missing > 0) {
      const pages = Math.ceil(missing / WASM_PAGE);
      try {
        this.memory.grow(pages);
      } catch (cause) {
        throw new EkspresiError(
          "FRAME_MEMORY",
          `frame memory: ${Math.round(end / 2 ** 20)} MiB needed, at most 4096 MiB available; use fewer sources, smaller frames or fewer slots`,
          { cause },
        );
      }
    }
    const region = { offset: this.#next, bytes: wanted };
    this.#next = end;
    return region;
  }

  free(region: { offset: number; bytes: number }): void {
    this.#free.push(region);
  }

  /** A view of `bytes` bytes at `offset`. Views stay valid when the memory grows, because it is shared. */
  view(offset: number, bytes: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, offset, bytes);
  }
}

/** A region of the frame memory that holds one frame's pixels. */
export interface Slot {
  readonly index: number;
  /** Byte offset in `FrameMemory.memory`. */
  readonly offset: number;
  /** The whole region, at least as long as requested. */
  readonly data: Uint8Array;
}

interface PooledSlot extends Slot {
  offset: number;
  data: Uint8Array;
  region: { offset: number; bytes: number } | undefined;
  leases: number;
}

/**
 * A fixed number of frame slots for one source: with the sinks' backlog, the only back-pressure there is. A recording
 * awaits `acquire`; a camera calls `tryAcquire` and drops the frame if it gets no slot. Every lease must be returned:
 * `free === slots` after a run.
 */
export class FramePool {
  readonly slots: number;
  readonly #memory: FrameMemory;
  readonly #all: PooledSlot[] = [];
  readonly #free: PooledSlot[] = [];
  readonly #waiting: (() => void)[] = [];
  readonly #changed: () => void;

  /** `changed` is called whenever a lease was taken, returned or waited for. */
  constructor(memory: FrameMemory, slots: number, changed: () => void = () => {}) {
    this.#memory = memory;
    this.slots = slots;
    this.#changed = changed;
    for (let index = 0; index < slots; index++) {
      const slot: PooledSlot = { index, offset: 0, data: new Uint8Array(0), region: undefined, leases: 0 };
      this.#all.push(slot);
      this.#free.push(slot);
    }
  }

  get free(): number {
    return this.#free.length;
  }

  get leased(): number {
    return this.slots - this.#free.length;
  }

  /** True while somebody waits for a slot. */
  get starved(): boolean {
    return this.#waiting.length > 0;
  }

  /** A slot of at least `bytes` with one lease, or undefined if all are leased. */
  tryAcquire(bytes: number): Slot | undefined {
    const slot = this.#free.pop();
    if (!slot) return undefined;
    if (!slot.region || slot.region.bytes < bytes) {
      const before = slot.region;
      slot.region = undefined;
      this.#free.push(slot); // if there is no memory for it, it stays free
      if (before) this.#memory.free(before);
      // Growing by at least a quarter limits what is left behind when every picture is slightly larger.
      slot.region = this.#memory.allocate(Math.max(bytes, (before?.bytes ?? 0) * 1.25));
      this.#free.pop();
      slot.offset = slot.region.offset;
      slot.data = this.#memory.view(slot.region.offset, slot.region.bytes);
    }
    slot.leases = 1;
    this.#changed();
    return slot;
  }

  /** Like `tryAcquire`, but waits until a slot is free. Resolves to undefined if `signal` aborts first. */
  async acquire(bytes: number, signal: AbortSignal): Promise<Slot | undefined> {
    if (signal.aborted) return undefined;
    const slot = this.tryAcquire(bytes);
    if (slot) return slot;
    return new Promise((resolve, reject) => {
      const serve = () => {
        signal.removeEventListener("abort", giveUp);
        try {
          resolve(this.tryAcquire(bytes));
        } catch (error) {
          reject(error);
        }
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(serve), 1);
        resolve(undefined);
      };
      signal.addEventListener("abort", giveUp, { once: true });
      this.#waiting.push(serve);
      this.#changed();
    });
  }

  /** Adds a lease to a slot that is already leased (a fan-out). */
  retain(slot: Slot): void {
    const own = this.#own(slot);
    if (own.leases < 1)
      throw new EkspresiError("LEASE", `frame slot ${slot.index} was retained after its release`);
    own.leases++;
  }

  leasesOf(slot: Slot): number {
    return this.#own(slot).leases;
  }

  /** Returns one lease. If it had already been returned, which is a bug in an operator, the memory's owner is told. */
  release(slot: Slot): void {
    const own = this.#own(slot);
    if (own.leases < 1) {
      const what = `frame slot ${slot.index} was released twice: each frame must be passed on or released once`;
      this.#memory.returnedTwice(new EkspresiError("LEASE", what));
      return;
    }
    own.leases--;
    if (own.leases > 0) return;
    this.#free.push(own);
    // Served at once: whoever came later may need what waits here before it returns its own slot.
    const next = this.#waiting.shift();
    if (next) next();
    else this.#changed();
  }

  #own(slot: Slot): PooledSlot {
    const own = this.#all[slot.index];
    if (own !== slot) throw new EkspresiError("LEASE", `frame slot ${slot.index} belongs to another pool`);
    return own;
  }
}
