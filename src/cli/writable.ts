import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { diskReason } from "../disk.js";
import { ConfigError } from "../errors.js";

// Checks before long work that its result can be written. They create nothing and throw `ConfigError`.

/** Checks that a file can be written; its folder need not exist yet. */
export async function checkFile(flag: string, file: string, remedy?: string): Promise<void> {
  const info = await stat(file).catch(() => undefined);
  if (info?.isDirectory())
    throw new ConfigError("USAGE", `${flag} ${file}: it is a folder; give a file name`);
  await checkRoom(`${flag} ${file}`, dirname(resolve(file)), remedy);
}

/** Checks that files can be written to a folder, which need not exist yet. */
export async function checkFolder(flag: string, folder: string): Promise<void> {
  const info = await stat(folder).catch(() => undefined);
  if (info && !info.isDirectory())
    throw new ConfigError("USAGE", `${flag} ${folder}: it is a file; give a folder`);
  await checkRoom(`${flag} ${folder}`, resolve(folder));
}

/** Tries the nearest existing folder: permissions alone are not reliable, least of all for root. */
async function checkRoom(what: string, folder: string, remedy = "choose another"): Promise<void> {
  let there = folder;
  while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
  const probe = join(there, `.${randomUUID()}.part`);
  try {
    await writeFile(probe, "", { flag: "wx" });
    await rm(probe);
  } catch (cause) {
    throw new ConfigError("USAGE", `${what} cannot be written: ${diskReason(cause)}; ${remedy}`, { cause });
  }
}
