import { createRequire } from "node:module";
import { ConfigError, messageOf, OperatorError } from "../errors.js";
import type { Detection, ScanOptions } from "../haar/index.js";
import type { Box, Frame } from "../media/frame.js";

// The part of @u4/opencv4nodejs that is used here; it is an optional peer, so its own types may be absent.
interface Mat {
  release(): void;
}
interface Classifier {
  detectMultiScaleAsync(mat: Mat, options: object): Promise<{ objects: Box[]; numDetections: number[] }>;
}
interface OpenCv {
  readonly CV_8UC1: number;
  readonly CascadeClassifier: new (file: string) => Classifier;
  readonly Mat: new (data: Buffer, rows: number, cols: number, type: number) => Mat;
  readonly Size: new (width: number, height: number) => object;
  setNumThreads(count: number): void;
}

interface Waiting {
  readonly resolve: (classifier: Classifier) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Detection by OpenCV itself, one frame per thread of libuv's pool: 4 threads unless `UV_THREADPOOL_SIZE` says
 * otherwise.
 */
export class OpencvPool {
  readonly #cv: OpenCv;
  readonly #workers: number;
  /** One per call in progress: sharing one gives wrong boxes. */
  readonly #idle: Classifier[];
  readonly #waiting: Waiting[] = [];
  #scratch = Buffer.alloc(0);
  #closed = false;

  /** Throws `ConfigError` if `@u4/opencv4nodejs` is not installed or does not load. */
  constructor(cascadeFile: string, workers: number) {
    this.#cv = requireOpencv();
    this.#cv.setNumThreads(1); // frames are already scanned in parallel
    this.#workers = workers;
    this.#idle = Array.from({ length: workers }, () => new this.#cv.CascadeClassifier(cascadeFile));
  }

  /** Boxes in pixels of the frame. Rejects with `OperatorError` if the pool was closed. */
  async detect(frame: Frame, region: Box, options: ScanOptions): Promise<Detection[]> {
    const { scaleFactor = 1.1, minNeighbors = 5, minSize, maxSize } = options;
    const sizeOf = ({ width, height }: { width: number; height: number }) => new this.#cv.Size(width, height);
    const classifier = await this.#take();
    let mat: Mat | undefined;
    try {
      mat = this.#matOf(frame, region);
      const { objects, numDetections } = await classifier.detectMultiScaleAsync(mat, {
        scaleFactor,
        minNeighbors,
        ...(minSize && { minSize: sizeOf(minSize) }),
        ...(maxSize && { maxSize: sizeOf(maxSize) }),
      });
      return objects.map(({ x, y, width, height }, i) => ({
        ...{ x: x + region.x, y: y + region.y, width, height },
        neighbors: numDetections[i] ?? 1,
      }));
    } finally {
      mat?.release();
      this.#giveBack(classifier);
    }
  }

  /** Rejects waiting calls; resolves once no call is in progress. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
    const underWay = this.#workers - this.#idle.length;
    for (let i = 0; i < underWay; i++) await this.#next();
  }

  async #take(): Promise<Classifier> {
    if (this.#closed) throw closed();
    return this.#idle.pop() ?? this.#next();
  }

  #next(): Promise<Classifier> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #giveBack(classifier: Classifier): void {
    const next = this.#waiting.shift();
    if (next) next.resolve(classifier);
    else this.#idle.push(classifier);
  }

  #matOf({ luma, width }: Frame, region: Box): Mat {
    const bytes = region.width * region.height;
    if (this.#scratch.length < bytes) this.#scratch = Buffer.alloc(bytes);
    for (let row = 0; row < region.height; row++) {
      const at = (region.y + row) * width + region.x;
      this.#scratch.set(luma.subarray(at, at + region.width), row * region.width);
    }
    // A Mat copies its data, so the next call may overwrite it.
    return new this.#cv.Mat(this.#scratch, region.height, region.width, this.#cv.CV_8UC1);
  }
}

const closed = () => new OperatorError("OPENCV_CLOSED", "detect: the detector was closed");

const NAME = "@u4/opencv4nodejs";
const INSTEAD = "or remove `engine`: our own kernel gives the same boxes";

function requireOpencv(): OpenCv {
  const require = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = require.resolve(NAME);
  } catch (cause) {
    // By default the package builds its own OpenCV, from sources that it downloads.
    throw new ConfigError(
      "OPENCV_MISSING",
      `detect: engine opencv needs ${NAME}, which is not installed; run \`apt-get install g++ make python3 libopencv-dev\` and \`OPENCV4NODEJS_DISABLE_AUTOBUILD=1 JOBS=max npm install ${NAME}\`, ${INSTEAD}`,
      { cause },
    );
  }
  try {
    // It logs to standard output, among a sink's events.
    const build = createRequire(entry)("@u4/opencv-build") as { Log: { silence?: boolean } };
    build.Log.silence = true;
    // It reports its memory to V8 in the middle of a garbage collection, which ends the process; we release every Mat
    // ourselves.
    process.env.OPENCV4NODEJS_DISABLE_EXTERNAL_MEM_TRACKING ??= "1";
    // Its ES module does not find the addon, but its CommonJS module does.
    return require(NAME) as OpenCv;
  } catch (cause) {
    const [why] = messageOf(cause).split("\n");
    throw new ConfigError(
      "OPENCV_BROKEN",
      `detect: engine opencv: ${NAME} is installed but does not load (${why}); build it: \`OPENCV4NODEJS_DISABLE_AUTOBUILD=1 JOBS=max npm rebuild ${NAME}\`, ${INSTEAD}`,
      { cause },
    );
  }
}
