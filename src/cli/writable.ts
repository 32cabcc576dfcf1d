import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { ConfigError, diskReason } from "../errors.js";

// Asked before the work whose result is to be written. Nothing is made; each throws `ConfigError`.

/** That a file can be written, in a folder that may still have to be made. */
export async function checkFile(flag: string, file: string, remedy?: string): Promise<void> {
  const info = await stat(file).catch(() => undefined);
  if (info?.isDirectory()) throw new ConfigError("USAGE", `${flag} ${file}: it is a folder; name a file`);
  await checkRoom(`${flag} ${file}`, dirname(resolve(file)), remedy);
}

/** That files can be written to a folder that may still have to be made. */
export async function checkFolder(flag: string, folder: string): Promise<void> {
  const info = await stat(folder).catch(() => undefined);
  if (info && !info.isDirectory())
    throw new ConfigError("USAGE", `${flag} ${folder}: it is a file; name a folder`);
  await checkRoom(`${flag} ${folder}`, resolve(folder));
}

/** The nearest folder there is must take a file: permissions alone do not tell, least of all root's. */
async function checkRoom(what: string, folder: string, remedy = "name another"): Promise<void> {
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
