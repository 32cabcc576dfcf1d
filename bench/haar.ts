import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Detection, HaarPool, type Plane, readyCascade } from "#src/haar/index.js";
import { FrameMemory } from "#src/media/pool.js";
import { type Benchmark, type Row, ratios, spread } from "./benchmark.js";
import { pythonPeer } from "./peers.js";
import { type GrayPicture, pictures } from "./pictures.js";

const CASCADE = fileURLToPath(
  new URL("../models/haarcascades/haarcascade_frontalface_default.xml", import.meta.url),
);
const SETTINGS = { scaleFactor: 1.1, minNeighbors: 5, minSize: { width: 30, height: 30 } };
const SIZES = [
  [854, 480],
  [1280, 720],
  [1920, 1080],
] as const;
const ROUNDS = 7;

export const haar: Benchmark = {
  name: "haar",
  summary: "The Haar kernel compared with native OpenCV on one thread, and two workers with one.",
  seconds: 120,
  run: async ({ say, signal }) => {
    const python = await pythonPeer();
    const opencv = "missing" in python ? undefined : await Opencv.open(python.path);
    const skipped = "missing" in python ? [python.missing] : [];
    const rows: Row[] = [];
    try {
      for (const [width, height] of SIZES) {
        const { pictures: all, missing } = await pictures(width, height);
        for (const file of missing) if (!skipped.includes(file)) skipped.push(file);
        say(`${width}x${height}`);
        signal.throwIfAborted();
        rows.push(...(await beside(opencv, all)));
        signal.throwIfAborted();
        rows.push(await twoWorkers(all));
      }
    } finally {
      opencv?.close();
    }
    const conditions = {
      cascade: "frontalface_default",
      ...SETTINGS,
      rounds: ROUNDS,
      opencv: opencv?.version,
    };
    return { conditions, rows, skipped };
  },
};

/**
 * CPU time of one picture at a time, ours and OpenCV in turn: on an idle machine that equals the elapsed time. One row
 * for all pictures together, and one for each.
 */
async function beside(opencv: Opencv | undefined, all: readonly GrayPicture[]): Promise<Row[]> {
  const scanner = await Scanner.open(1, all);
  const ours: number[][] = all.map(() => []);
  const peers: number[][] = all.map(() => []);
  let [boxes, equal] = [0, 0];
  for (let round = 0; round <= ROUNDS; round++)
    for (const [i, picture] of all.entries()) {
      const begin = process.cpuUsage();
      const found = await scanner.scan(i);
      const { user, system } = process.cpuUsage(begin);
      const peer = await opencv?.detect(picture);
      if (round === 0) {
        // The first round warms both up and compares the boxes.
        boxes += Math.max(found.length, peer?.boxes.length ?? 0);
        equal += peer?.boxes.filter((box) => found.some((own) => same(own, box))).length ?? 0;
        continue;
      }
      ours[i]?.push((user + system) / 1000);
      if (peer) peers[i]?.push(peer.ms);
    }
  await scanner.close();
  const { width, height } = all[0] ?? { width: 0, height: 0 };
  const round = (times: readonly (readonly number[])[]) =>
    Array.from({ length: ROUNDS }, (_, r) => times.reduce((sum, of) => sum + (of[r] ?? 0), 0) / all.length);
  const row = (what: string, own: readonly number[], other: readonly number[], notes = {}): Row => ({
    what: `${width}x${height} ${what}`,
    unit: "ms",
    ours: spread(own),
    ...(opencv && {
      peer: { name: `OpenCV ${opencv.version}`, value: spread(other) },
      ratio: ratios(own, other),
    }),
    notes,
  });
  return [
    row("1 worker, mean picture", round(ours), round(peers), opencv && { boxes, equal }),
    ...all.map(({ name }, i) => row(name, ours[i] ?? [], peers[i] ?? [])),
  ];
}

/** Time for all pictures two at a time, compared with one at a time; the rounds alternate. */
async function twoWorkers(all: readonly GrayPicture[]): Promise<Row> {
  const [one, two] = [await Scanner.open(1, all), await Scanner.open(2, all)];
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round <= 2 * ROUNDS; round++)
    for (const [i, scanner] of [one, two].entries()) {
      const begin = performance.now();
      await Promise.all(Array.from({ length: 4 * all.length }, (_, k) => scanner.scan(k % all.length)));
      if (round > 0) times[i]?.push((performance.now() - begin) / (4 * all.length));
    }
  await Promise.all([one.close(), two.close()]);
  return {
    what: `${all[0]?.width}x${all[0]?.height} 2 workers`,
    unit: "ms",
    ours: spread(times[1]),
    peer: { name: "1 worker", value: spread(times[0]) },
    ratio: ratios(times[1], times[0]),
    notes: { faster: `${ratios(times[0], times[1]).median.toFixed(2)}x` },
  };
}

/** Our detector, as in a pipeline: worker threads that read pictures in place. */
class Scanner {
  readonly #pool: HaarPool;
  readonly #planes: readonly Plane[];

  private constructor(pool: HaarPool, planes: readonly Plane[]) {
    this.#pool = pool;
    this.#planes = planes;
  }

  static async open(workers: number, all: readonly GrayPicture[]): Promise<Scanner> {
    const memory = new FrameMemory();
    const planes = all.map(({ width, height, gray }) => {
      const { offset } = memory.allocate(gray.length);
      memory.view(offset, gray.length).set(gray);
      return { offset, width, height, stride: width };
    });
    return new Scanner(await HaarPool.create(await readyCascade(CASCADE), memory, workers), planes);
  }

  scan(picture: number): Promise<Detection[]> {
    const plane = this.#planes[picture];
    if (!plane) throw new Error(`picture ${picture} not found`);
    return this.#pool.detect(plane, SETTINGS);
  }

  close(): Promise<void> {
    return this.#pool.close();
  }
}

interface Answer {
  readonly ms: number;
  readonly boxes: readonly (readonly number[])[];
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** Native OpenCV in a separate Python process, timed inside it. */
class Opencv {
  readonly version: string;
  readonly #child: Child;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: Child, lines: AsyncIterator<string>, version: string) {
    this.#child = child;
    this.#lines = lines;
    this.version = version;
  }

  static async open(python: string): Promise<Opencv> {
    const script = fileURLToPath(new URL("peers/opencv-haar.py", import.meta.url));
    const { scaleFactor, minNeighbors, minSize } = SETTINGS;
    const args = [script, CASCADE, ...[scaleFactor, minNeighbors, minSize.width].map(String)];
    const child: Child = spawn(python, args, { stdio: ["pipe", "pipe", "inherit"] });
    child.stdin.on("error", () => {}); // it has exited, which `detect` reports
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done) throw new Error(`${python} ${script} ended`);
    return new Opencv(child, lines, (JSON.parse(first.value) as { version: string }).version);
  }

  async detect({ width, height, gray }: GrayPicture): Promise<Answer> {
    this.#child.stdin.write(`${width} ${height}\n`);
    this.#child.stdin.write(gray);
    const line = await this.#lines.next();
    if (line.done) throw new Error("OpenCV's process exited");
    return JSON.parse(line.value) as Answer;
  }

  close(): void {
    this.#child.stdin.end();
  }
}

function same(own: Detection, [x, y, width, height]: readonly number[]): boolean {
  return own.x === x && own.y === y && own.width === width && own.height === height;
}
