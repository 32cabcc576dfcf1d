import { ConfigError } from "../errors.js";
import type { Detection } from "../haar/index.js";
import type { FaceDetector } from "./detect.js";

// The part of @u4/opencv4nodejs that is used here; it is an optional peer, so its own types may be absent.
interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}
interface Classifier {
  detectMultiScaleAsync(mat: object, options: object): Promise<{ objects: Rect[]; numDetections: number[] }>;
}
interface OpenCv {
  readonly CV_8UC1: number;
  readonly CascadeClassifier: new (file: string) => Classifier;
  readonly Mat: new (data: Buffer, rows: number, cols: number, type: number) => object;
  readonly Size: new (width: number, height: number) => object;
}

/** Detection by OpenCV itself. Throws `ConfigError` where `@u4/opencv4nodejs` is not installed or does not load. */
export async function openOpencv(cascadeFile: string): Promise<FaceDetector> {
  const cv = await importOpencv();
  const idle: Classifier[] = []; // one for each call under way: a shared one gives wrong boxes
  return {
    detect: async (frame, region, { scaleFactor = 1.1, minNeighbors = 5, minSize, maxSize }) => {
      // OpenCV reads a copy: it works in a thread of its own, and a Mat does not keep its buffer alive.
      const pixels = Buffer.alloc(region.width * region.height);
      const { luma, width } = frame;
      for (let row = 0; row < region.height; row++) {
        const at = (region.y + row) * width + region.x;
        pixels.set(luma.subarray(at, at + region.width), row * region.width);
      }
      const classifier = idle.pop() ?? new cv.CascadeClassifier(cascadeFile);
      try {
        const mat = new cv.Mat(pixels, region.height, region.width, cv.CV_8UC1);
        const { objects, numDetections } = await classifier.detectMultiScaleAsync(mat, {
          scaleFactor,
          minNeighbors,
          ...(minSize && { minSize: new cv.Size(minSize.width, minSize.height) }),
          ...(maxSize && { maxSize: new cv.Size(maxSize.width, maxSize.height) }),
        });
        if (pixels.length === 0) return []; // keeps the buffer reachable until here
        return objects.map(
          (box, i): Detection => ({
            x: box.x + region.x,
            y: box.y + region.y,
            width: box.width,
            height: box.height,
            neighbors: numDetections[i] ?? 1,
          }),
        );
      } finally {
        idle.push(classifier);
      }
    },
  };
}

async function importOpencv(): Promise<OpenCv> {
  const name = "@u4/opencv4nodejs";
  try {
    const module = (await import(name)) as { default?: OpenCv } & OpenCv;
    return module.default ?? module;
  } catch (cause) {
    throw new ConfigError(
      "OPENCV_MISSING",
      `detect: engine opencv needs ${name}, which is not installed here; run \`apt-get install libopencv-dev\` (or \`brew install opencv\`) and \`npm install ${name}\`, or leave \`engine\` out`,
      { cause },
    );
  }
}
