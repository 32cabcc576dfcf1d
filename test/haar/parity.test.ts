import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { ImageDetector, loadCascade } from "#src/haar/index.js";
import { picture } from "../support/pictures.js";

// The part of OpenCV's JavaScript build that is used here.
interface Rect {
  x: number;
  y: number;
  width: number;
  height: number;
}
interface Cv {
  CV_8UC1: number;
  matFromArray(rows: number, cols: number, type: number, data: Uint8Array): { delete(): void };
  FS_createDataFile(dir: string, name: string, data: Uint8Array, r: boolean, w: boolean, own: boolean): void;
  RectVector: new () => { size(): number; get(i: number): Rect; delete(): void };
  Size: new (width: number, height: number) => object;
  CascadeClassifier: new () => {
    load(name: string): boolean;
    detectMultiScale(
      mat: object,
      out: object,
      scale: number,
      neighbors: number,
      flags: number,
      min: object,
      max: object,
    ): void;
    delete(): void;
  };
}

const MODELS = new URL("../../models/haarcascades/", import.meta.url);
const files = readdirSync(MODELS).filter((name) => name.endsWith(".xml"));

describe("detection", function () {
  this.timeout(120_000);
  let cv: Cv;
  let four: Uint8Array; // pictures of a man in one of 640x480

  before(async () => {
    four = await picture(10, 640, 480, 2);
    const loaded = createRequire(import.meta.url)("@opencvjs/web") as Record<string, unknown>;
    const load = (loaded.loadOpenCV ?? loaded.default ?? loaded) as (() => Promise<Cv>) | PromiseLike<Cv>;
    cv = await (typeof load === "function" ? load() : load);
    for (const name of files)
      cv.FS_createDataFile("/", name, readFileSync(new URL(name, MODELS)), true, false, false);
  });

  function oracle(cascade: string, gray: Uint8Array, width: number, height: number, least: number): string[] {
    const classifier = new cv.CascadeClassifier();
    assert.ok(classifier.load(cascade));
    const mat = cv.matFromArray(height, width, cv.CV_8UC1, gray);
    const out = new cv.RectVector();
    classifier.detectMultiScale(mat, out, 1.1, 5, 0, new cv.Size(least, least), new cv.Size(0, 0));
    const boxes = Array.from({ length: out.size() }, (_, i) => key(out.get(i)));
    mat.delete();
    out.delete();
    classifier.delete();
    return boxes.sort();
  }

  const key = ({ x, y, width, height }: Rect) => `${x},${y} ${width}x${height}`;

  const detectors = new Map<string, Promise<ImageDetector>>(); // reading a cascade takes longer than detecting
  function detectorFor(cascade: string): Promise<ImageDetector> {
    const made =
      detectors.get(cascade) ??
      loadCascade(fileURLToPath(new URL(cascade, MODELS))).then((read) => ImageDetector.create(read));
    detectors.set(cascade, made);
    return made;
  }

  async function ours(cascade: string, gray: Uint8Array, width: number, height: number, least: number) {
    const detector = await detectorFor(cascade);
    const found = detector.detect(gray, width, height, { minSize: { width: least, height: least } });
    return found.map(key).sort();
  }

  for (const [width, height, tiles] of [
    [640, 480, 1],
    [1280, 720, 2],
    [1920, 1080, 3],
  ] as const)
    it(`gives OpenCV's boxes to the pixel at ${height}p`, async () => {
      for (const at of [2, 20]) {
        const gray = await picture(at, width, height, tiles);
        const boxes = await ours("haarcascade_frontalface_default.xml", gray, width, height, 30);
        assert.ok(boxes.length >= tiles * tiles, `only ${boxes.length} faces`);
        assert.deepEqual(boxes, oracle("haarcascade_frontalface_default.xml", gray, width, height, 30));
      }
    });

  for (const name of files)
    it(`gives OpenCV's boxes with ${name}`, async () => {
      assert.deepEqual(await ours(name, four, 640, 480, 0), oracle(name, four, 640, 480, 0));
    });
});
