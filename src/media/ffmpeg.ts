import { type ChildProcess, type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { access, chmod, constants, stat } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { messageOf, SourceError } from "../errors.js";
import type { BytePipe } from "./pipe.js";

export interface Ffmpeg {
  readonly path: string;
  /** As it reports it, e.g. `5.1.9-0+deb12u1`. */
  readonly version: string;
  /** Where it was found. */
  readonly origin: "EKSPRESI_FFMPEG" | "PATH" | "package";
  /** Options that are newer than the build in the package (2018). */
  readonly has: { readonly fpsMode: boolean; readonly autoscale: boolean; readonly timeout: boolean };
  /** Whether libx264 was built in. */
  readonly x264: boolean;
}

/** How to install one. */
export const FFMPEG_HELP =
  "install it (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg) or set EKSPRESI_FFMPEG to its path";

let found: Promise<Ffmpeg> | undefined;

/**
 * The ffmpeg to use: `EKSPRESI_FFMPEG`, else the one on PATH, else the build in `@ffmpeg-installer/ffmpeg`. Searched
 * for once. Throws `SourceError` if none of them starts.
 */
export function findFfmpeg(): Promise<Ffmpeg> {
  found ??= search();
  return found;
}

/**
 * Starts looking for ffmpeg, which takes a moment, while other things start. Whoever needs it gets the error if there
 * is none.
 */
export function expectFfmpeg(): void {
  findFfmpeg().catch(() => {});
}

async function search(): Promise<Ffmpeg> {
  const named = process.env.EKSPRESI_FFMPEG;
  if (named) return describe(named, "EKSPRESI_FFMPEG");
  const onPath = await which("ffmpeg");
  if (onPath) return describe(onPath, "PATH");
  const packaged = await packagedPath();
  await makeExecutable(packaged);
  return describe(packaged, "package");
}

async function packagedPath(): Promise<string> {
  try {
    const { default: installer } = await import("@ffmpeg-installer/ffmpeg");
    return installer.path;
  } catch (cause) {
    throw new SourceError("FFMPEG_MISSING", `ffmpeg not found; ${FFMPEG_HELP}`, { cause });
  }
}

async function which(name: string): Promise<string | undefined> {
  const suffix = process.platform === "win32" ? ".exe" : "";
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name + suffix);
    if (await isProgram(path)) return path;
  }
  return undefined;
}

/** Whether it can be run; folders of that name, such as `/opt/ffmpeg`, cannot. */
async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** The package's install script does this, but not everybody lets npm run install scripts. */
async function makeExecutable(path: string): Promise<void> {
  try {
    await access(path, constants.X_OK).catch(() => chmod(path, 0o755));
  } catch (cause) {
    throw new SourceError(
      "FFMPEG_BROKEN",
      `ffmpeg at ${path} (package) is not executable and cannot be made so (${(cause as NodeJS.ErrnoException).code}); run \`chmod +x\` on it as its owner, or ${FFMPEG_HELP}`,
      { cause },
    );
  }
}

async function describe(path: string, origin: Ffmpeg["origin"]): Promise<Ffmpeg> {
  try {
    const run = promisify(execFile);
    const { stdout } = await run(path, ["-hide_banner", "-version"]);
    const version = /^ffmpeg version (\S+)/.exec(stdout)?.[1] ?? "unknown";
    const avcodec = Number(/libavcodec\s+(\d+)\./.exec(stdout)?.[1] ?? 0);
    const avformat = Number(/libavformat\s+(\d+)\./.exec(stdout)?.[1] ?? 0);
    // 59 is FFmpeg 5: `-fps_mode` came with 5.1 (avcodec 59.37), `-autoscale` with 4.4 (58.134), and RTSP's `-timeout`
    // has had its present meaning since 5.0.
    const minor = Number(/libavcodec\s+\d+\.\s*(\d+)/.exec(stdout)?.[1] ?? 0);
    const atLeast = (major: number, least: number) =>
      avcodec > major || (avcodec === major && minor >= least);
    const has = { fpsMode: atLeast(59, 37), autoscale: atLeast(58, 134), timeout: avformat >= 59 };
    const x264 = /--enable-libx264/.test(stdout) && !/--disable-(all|everything|encoders)/.test(stdout);
    return { path, version, origin, has, x264 };
  } catch (cause) {
    throw new SourceError(
      "FFMPEG_BROKEN",
      `ffmpeg at ${path} (${origin}) does not start: ${messageOf(cause).split("\n")[0]}; install one that does, or set EKSPRESI_FFMPEG`,
      { cause },
    );
  }
}

/**
 * Returns the child. Throws if the system is at its limit: the child then has no pipes, and its own error comes later.
 */
export function withPipes<T extends ChildProcess>(child: T): T {
  if (child.stderr) return child;
  child.on("error", () => {});
  throw new Error(
    "ffmpeg did not start: the limit of open files or processes is reached (ulimit -n, ulimit -u)",
  );
}

export type FfmpegProcess = ChildProcessByStdio<null, null, Readable>;

/**
 * Starts ffmpeg with `pictures` as its stdout. Its standard input is our own if `stdin` is set, otherwise closed. It
 * ends when we are killed, because its pipe breaks. Throws like `withPipes`.
 */
export function spawnFfmpeg(
  ffmpeg: Ffmpeg,
  args: readonly string[],
  pictures: BytePipe,
  stdin = false,
): FfmpegProcess {
  const child = spawn(ffmpeg.path, args, {
    stdio: [stdin ? "inherit" : "ignore", pictures.childEnd, "pipe"],
    windowsHide: true,
  }) as unknown as FfmpegProcess;
  pictures.childEnd.destroy();
  return withPipes(child);
}

/** How a process ended: its exit code, or the signal that ended it. */
export type ProcessEnd = number | NodeJS.Signals | null;

/** Why ffmpeg failed: what it said, unless a signal ended it. */
export function failureOf(end: ProcessEnd, said: string | undefined): string {
  if (end === "SIGKILL") return "ffmpeg was ended by SIGKILL; perhaps the system is out of memory";
  return typeof end === "string" ? `ffmpeg was ended by ${end}` : (said ?? `ffmpeg ended with code ${end}`);
}

const GRACE_MS = 2000;

/**
 * Ends a process: asks first, then kills. Resolves when it is gone. Close its pipe before: a full one would keep it
 * alive.
 */
export function endProcess(child: FfmpegProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
    return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), GRACE_MS);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill("SIGTERM");
  });
}
