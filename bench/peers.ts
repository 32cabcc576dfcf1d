import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bench } from "./benchmark.js";
import { ROOT } from "./processes.js";

const FOLDER = join(ROOT, "bench/peers");
const run = promisify(execFile);

/** Where a peer is, or why it is missing. */
export type Peer = { readonly path: string } | { readonly missing: string };

let human: Promise<Peer> | undefined;
let faceApi: Promise<Peer> | undefined;

/** The script that runs `@vladmandic/human`, after installing its packages if needed. */
export function humanPeer(bench: Bench): Promise<Peer> {
  human ??= installed(bench, "@vladmandic/human", "human.mjs");
  return human;
}

/** The same for `@vladmandic/face-api`. */
export function faceApiPeer(bench: Bench): Promise<Peer> {
  faceApi ??= installed(bench, "@vladmandic/face-api", "face-api.mjs");
  return faceApi;
}

async function installed(bench: Bench, name: string, script: string): Promise<Peer> {
  const path = join(FOLDER, script);
  try {
    await access(join(FOLDER, "node_modules", name, "package.json"));
    return { path };
  } catch {
    bench.say("installing the peers: npm ci in bench/peers (370 MB, once, no scripts are run)");
  }
  try {
    await run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], {
      cwd: FOLDER,
      signal: bench.signal,
    });
    return { path };
  } catch (error) {
    bench.signal.throwIfAborted();
    const why = (error as { stderr?: string }).stderr?.trim().split("\n").at(-1) ?? String(error);
    return { missing: `${name}: \`npm ci\` in bench/peers failed (${why})` };
  }
}

let python: Promise<Peer> | undefined;
let torch: Promise<Peer> | undefined;

/** A Python with OpenCV. */
export function pythonPeer(): Promise<Peer> {
  python ??= pythonWith("cv2", "python3-opencv");
  return python;
}

/** A Python with PyTorch. */
export function torchPeer(): Promise<Peer> {
  torch ??= pythonWith("torch", "python3-torch");
  return torch;
}

/** `EKSPRESI_PYTHON`, or else whichever of the one on PATH and the system's has the module. */
async function pythonWith(module: string, debian: string): Promise<Peer> {
  const named = process.env.EKSPRESI_PYTHON;
  for (const path of named ? [named] : ["python3", "/usr/bin/python3"])
    try {
      await run(path, ["-c", `import ${module}, numpy`]);
      return { path };
    } catch {
      // not there
    }
  return {
    missing: `python3 with ${module}${named ? ` (EKSPRESI_PYTHON is ${named})` : ""}: apt install ${debian}`,
  };
}
