import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import os from "node:os";

/** Runs something as if on another system or processor; what Node itself does stays this one's. */
export async function onMachine<T>(
  {
    cores,
    ...machine
  }: {
    readonly platform?: NodeJS.Platform;
    readonly arch?: NodeJS.Architecture;
    readonly cores?: number;
  },
  act: () => T | Promise<T>,
): Promise<T> {
  const own = Object.getOwnPropertyDescriptors(process);
  const { availableParallelism } = os;
  if (cores !== undefined) os.availableParallelism = () => cores;
  syncBuiltinESMExports();
  for (const [name, value] of Object.entries(machine))
    Object.defineProperty(process, name, { value, configurable: true });
  try {
    return await act();
  } finally {
    Object.defineProperties(process, { platform: own.platform, arch: own.arch });
    os.availableParallelism = availableParallelism;
    syncBuiltinESMExports();
  }
}

/** Runs something while calls of the file system that everybody imports are others. */
export async function withFiles<T>(
  {
    promises,
    ...calls
  }: { readonly promises?: Partial<typeof fs.promises> } & Partial<
    Pick<typeof fs, "fsyncSync" | "statSync" | "unlinkSync" | "writeSync">
  >,
  act: () => T | Promise<T>,
): Promise<T> {
  const { fsyncSync, statSync, unlinkSync, writeSync } = fs;
  const own = { ...fs.promises };
  Object.assign(fs, calls);
  Object.assign(fs.promises, promises);
  syncBuiltinESMExports();
  try {
    return await act();
  } finally {
    Object.assign(fs.promises, own);
    Object.assign(fs, { fsyncSync, statSync, unlinkSync, writeSync });
    syncBuiltinESMExports();
  }
}
