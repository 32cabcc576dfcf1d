import { FrameMemory } from "../media/pool.js";
import type { Cascade } from "./cascade.js";
import { Detector } from "./detector.js";
import type { Detection } from "./group.js";
import { type Capacity, layOut, NO_CAPACITY, withScan } from "./layout.js";
import { type ScanOptions, scalesOf } from "./scales.js";
import { kernelModule } from "./wasm.js";

/** Finds faces in single grey pictures, in the calling thread. Memory is kept for the next picture. */
export class ImageDetector {
  readonly #cascade: Cascade;
  readonly #memory: FrameMemory;
  readonly #detector: Detector;
  #capacity: Capacity = NO_CAPACITY;
  #scratch: { offset: number; bytes: number } | undefined;
  #picture: { offset: number; bytes: number } | undefined;

  private constructor(cascade: Cascade, memory: FrameMemory, detector: Detector) {
    this.#cascade = cascade;
    this.#memory = memory;
    this.#detector = detector;
  }

  static async create(cascade: Cascade): Promise<ImageDetector> {
    const memory = new FrameMemory();
    return new ImageDetector(
      cascade,
      memory,
      await Detector.create(cascade, memory.memory, await kernelModule()),
    );
  }

  /** @param gray row-major, `width * height` bytes. */
  detect(gray: Uint8Array, width: number, height: number, options: ScanOptions = {}): Detection[] {
    const picture = this.#room(width * height);
    this.#memory.view(picture.offset, width * height).set(gray.subarray(0, width * height));
    this.#prepare(width, height, options);
    return this.#detector.detect({ offset: picture.offset, width, height, stride: width }, options);
  }

  #room(bytes: number): { offset: number; bytes: number } {
    if (!this.#picture || this.#picture.bytes < bytes) {
      if (this.#picture) this.#memory.free(this.#picture);
      this.#picture = this.#memory.allocate(bytes);
    }
    return this.#picture;
  }

  #prepare(width: number, height: number, options: ScanOptions): void {
    const wanted = withScan(this.#capacity, width, scalesOf(this.#cascade, { width, height }, options));
    if (this.#scratch && wanted === this.#capacity) return;
    if (this.#scratch) this.#memory.free(this.#scratch);
    this.#capacity = wanted;
    this.#scratch = this.#memory.allocate(layOut(this.#cascade, wanted).bytes);
    this.#detector.useScratch(this.#scratch.offset, wanted);
  }
}
