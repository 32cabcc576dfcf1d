import { connect } from "node:net";
import { messageOf } from "../errors.js";
import { redact } from "../media/redact.js";
import type { Check } from "./check.js";

const DEFAULT_URL = "nats://127.0.0.1:4222";
const PORT = 4222;

/** Whether a NATS server greets at the first of `NATS_URL`'s addresses. The greeting comes before any login. */
export async function checkNats(url = process.env.NATS_URL || DEFAULT_URL, timeoutMs = 1500): Promise<Check> {
  const first = url.split(",")[0]?.trim() ?? "";
  const shown = redact(first).replace(/\/\/[^/@]*@/, "//");
  try {
    const { version, jetstream } = await greeting(first, timeoutMs);
    return {
      name: "nats",
      required: false,
      state: "ok",
      detail: `server ${version} at ${shown}, JetStream ${jetstream ? "on" : "off"}`,
    };
  } catch (error) {
    return {
      name: "nats",
      required: false,
      state: "missing",
      detail: `no server at ${shown} (${messageOf(error)}); only the nats sink needs one`,
      help: "start one: docker run -p 4222:4222 nats -js; or name yours: NATS_URL=nats://host:4222",
    };
  }
}

function greeting(url: string, timeoutMs: number): Promise<{ version: string; jetstream: boolean }> {
  const { hostname, port } = new URL(url.includes("://") ? url : `nats://${url}`);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: port ? Number(port) : PORT });
    let text = "";
    const end = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(timeoutMs, () => end(new Error(`silent for ${timeoutMs} ms`)));
    socket.on("error", end);
    socket.on("end", () => end(new Error("it closed the connection")));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n") && text.length < 2 ** 16) return;
      const info = /^INFO (\{.*\})/.exec(text)?.[1];
      if (!info) return end(new Error("what answers is not NATS"));
      socket.destroy();
      try {
        const { version, jetstream } = JSON.parse(info) as { version?: unknown; jetstream?: unknown };
        resolve({ version: String(version ?? "unknown"), jetstream: jetstream === true });
      } catch (cause) {
        reject(new Error("what answers is not NATS", { cause }));
      }
    });
  });
}
