import { access, constants, readdir, readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import { cores } from "../cores.js";
import { messageOf } from "../errors.js";
import { FFMPEG_HELP, findFfmpeg } from "../media/ffmpeg.js";
import { outputOf } from "../program.js";
import type { Check } from "./check.js";

const LEAST_NODE = [20, 19] as const;

export function checkNode(version = process.versions.node): Check {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const enough = major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1]);
  const machine = `${process.platform} ${process.arch}, ${cores()} cores, ${Math.round(totalmem() / 2 ** 30)} GiB`;
  return {
    name: "node",
    required: true,
    state: enough ? "ok" : "missing",
    detail: `Node ${version} on ${machine}`,
    ...(!enough && { help: `install Node ${LEAST_NODE.join(".")} or newer from https://nodejs.org` }),
  };
}

export async function checkFfmpeg(): Promise<Check> {
  try {
    const { path, version, origin } = await findFfmpeg();
    const text = await outputOf(path, ["-hide_banner", "-hwaccels"], true).catch(() => "");
    const accelerators = text
      .split("\n")
      .slice(1)
      .map((line) => line.trim())
      .filter(Boolean);
    const old = origin === "package" ? "; a newer one on PATH is preferred" : "";
    return {
      name: "ffmpeg",
      required: true,
      state: "ok",
      detail: `${version} at ${path} (from ${origin}${old}); built for ${accelerators.join(", ") || "no hardware decoder"}`,
    };
  } catch (error) {
    return {
      name: "ffmpeg",
      required: true,
      state: "missing",
      detail: messageOf(error),
      help: FFMPEG_HELP,
    };
  }
}

export async function checkGpu(): Promise<Check> {
  const query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
  try {
    const cards = (await outputOf("nvidia-smi", query)).trim().split("\n");
    return { name: "gpu", required: false, state: "ok", detail: cards.join("; ") };
  } catch {
    return {
      name: "gpu",
      required: false,
      state: "missing",
      detail: "no NVIDIA GPU found (nvidia-smi); using the CPU",
      help: "for `classify: { provider: cuda }`, install NVIDIA's driver, CUDA 12 and cuDNN 9",
    };
  }
}

/** Cameras by the names that `webcam` accepts. @param root folder that holds Linux's `dev`, `sys` and `run` */
export async function checkCameras(root = "/"): Promise<Check> {
  const cameras = await listCameras(root).catch(() => []);
  if (cameras.length > 0)
    return { name: "cameras", required: false, state: "ok", detail: cameras.join(", ") };
  return {
    name: "cameras",
    required: false,
    state: "missing",
    detail: "no camera is connected, or this user has no access",
    help:
      process.platform === "linux"
        ? "connect one (`/dev/video0` appears); in a container, pass --device /dev/video0; otherwise add the user to the group `video`"
        : "connect one, and allow the terminal to use it in the system's privacy settings",
  };
}

async function listCameras(root: string): Promise<string[]> {
  if (process.platform === "linux") {
    const devices = join(root, "dev");
    const byNumber = new Intl.Collator("en", { numeric: true }).compare;
    const nodes = (await readdir(devices)).filter((name) => /^video\d+$/.test(name)).sort(byNumber);
    const named = await Promise.all(
      nodes.map(async (name) => {
        const path = join(devices, name);
        const usable = (await may(path, constants.R_OK | constants.W_OK)) && (await gives(root, name));
        return usable ? [`${path}${await linuxName(root, name)}`] : [];
      }),
    );
    return named.flat();
  }
  const format = process.platform === "darwin" ? "avfoundation" : "dshow";
  const input = process.platform === "darwin" ? "" : "dummy";
  const { path } = await findFfmpeg();
  // Listing always exits with an error because nothing was opened.
  const text = await outputOf(
    path,
    ["-hide_banner", "-f", format, "-list_devices", "true", "-i", input],
    true,
  );
  return parseDevices(text, format);
}

/** Whether this user may use a path in this mode of `access`. */
async function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}

/** Whether a node gives pictures, unlike that of a camera's metadata, by what udev found out; true without udev. */
async function gives(root: string, node: string): Promise<boolean> {
  const number = await factOf(root, node, "dev");
  const known = await readFile(join(root, "run/udev/data", `c${number}`), "utf8").catch(() => "");
  const [, can] = /^E:ID_V4L_CAPABILITIES=(.*)$/m.exec(known) ?? [];
  return can?.includes(":capture:") ?? true;
}

async function linuxName(root: string, node: string): Promise<string> {
  const name = await factOf(root, node, "name");
  return name ? ` (${name})` : "";
}

/** What the kernel says about a node; empty if it says nothing. */
async function factOf(root: string, node: string, fact: "dev" | "name"): Promise<string> {
  return (await readFile(join(root, "sys/class/video4linux", node, fact), "utf8").catch(() => "")).trim();
}

/** Names of video devices in ffmpeg's list. */
export function parseDevices(text: string, format: "avfoundation" | "dshow"): string[] {
  const video = text.split(/(?:AVFoundation|DirectShow) audio devices/)[0] ?? "";
  const line = format === "avfoundation" ? /\] \[(\d+)\] (.+)$/gm : /\]\s+"([^"@][^"]*)"(?! \(audio\))/gm;
  return [...video.matchAll(line)].map(([, first = "", name]) =>
    name ? `${first} (${name.trim()})` : first,
  );
}

export async function checkFolder(folder = process.cwd()): Promise<Check> {
  const writable = await may(folder, constants.W_OK);
  return {
    name: "folder",
    required: false,
    state: writable ? "ok" : "missing",
    detail: writable ? `${folder} is writable` : `${folder} is not writable`,
    ...(!writable && { help: "write results elsewhere: `path: /elsewhere/events.jsonl` in the sink" }),
  };
}
