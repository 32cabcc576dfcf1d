import { FrameMemory } from "../media/pool.js";
import type { Cascade } from "./cascade.js";
import { type CompiledCascade, compileCascade } from "./compile.js";
import { boxesOf, Detector, scratchBytes } from "./detector.js";
import type { Detection } from "./group.js";
import { type Capacity, NO_CAPACITY, withPicture } from "./layout.js";
import type { ScanOptions } from "./scales.js";
import { kernelModule } from "./wasm.js";

/** Finds faces in single grey pictures, in the calling thread. Memory is kept for the next picture. */
export class ImageDetector {
  readonly #compiled: CompiledCascade;
  readonly #memory: FrameMemory;
  readonly #detector: Detector;
  #capacity: Capacity = NO_CAPACITY;
  #scratch: { offset: number; bytes: number } | undefined;
  #picture: { offset: number; bytes: number } | undefined;

  private constructor(compiled: CompiledCascade, memory: FrameMemory, detector: Detector) {
    this.#compiled = compiled;
    this.#memory = memory;
    this.#detector = detector;
  }

  static async create(cascade: Cascade): Promise<ImageDetector> {
    const memory = new FrameMemory();
    const compiled = await compileCascade(cascade);
    const detector = await Detector.create(compiled, memory.memory, await kernelModule());
    return new ImageDetector(compiled, memory, detector);
  }

  /** @param gray row-major, `width * height` bytes. */
  detect(gray: Uint8Array, width: number, height: number, options: ScanOptions = {}): Detection[] {
    const picture = this.#room(width * height);
    this.#memory.view(picture.offset, width * height).set(gray.subarray(0, width * height));
    this.#prepare(width, height);
    const plane = { offset: picture.offset, width, height, stride: width };
    let next = 0;
    return boxesOf(
      this.#detector.scan(plane, options, () => next++),
      plane,
      options.minNeighbors,
    );
  }

  #room(bytes: number): { offset: number; bytes: number } {
    if (!this.#picture || this.#picture.bytes < bytes) {
      if (this.#picture) this.#memory.free(this.#picture);
      this.#picture = this.#memory.allocate(bytes);
    }
    return this.#picture;
  }

  #prepare(width: number, height: number): void {
    const wanted = withPicture(this.#capacity, { width, height });
    if (this.#scratch && wanted === this.#capacity) return;
    if (this.#scratch) this.#memory.free(this.#scratch);
    this.#capacity = wanted;
    this.#scratch = this.#memory.allocate(scratchBytes(this.#compiled, wanted));
    this.#detector.useScratch(this.#scratch.offset, wanted);
  }
}
