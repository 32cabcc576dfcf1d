import { randomBytes } from "node:crypto";
import { InvalidArgumentError } from "commander";
import type { Added } from "../pipeline/load.js";
import { createLog } from "./log.js";

/** `host:port`, or only a port. */
export function webAddress(text: string): string {
  const [, host = "127.0.0.1", port = ""] = /^(?:(\[[\da-fA-F:.]+\]|[^\s:/]+):)?(\d{1,5})$/.exec(text) ?? [];
  if (port && Number(port) <= 65_535) return `${host}:${port}`;
  throw new InvalidArgumentError(
    "Write host:port, e.g. --web 127.0.0.1:8088; without an address, put --web after the file.",
  );
}

/** The sink added by `--web`. Logs a generated token, even if quiet: without it nobody could open the page. */
export function webSink(given: string | true, json = false): Added {
  const listen = given === true ? undefined : given;
  const own = listen === undefined || /^(localhost|127\.[\d.]+|\[::1\]):/.test(listen);
  const set = process.env.EKSPRESI_WEB_TOKEN;
  const token = set || (own ? undefined : randomBytes(18).toString("base64url"));
  if (token && !set)
    createLog({ quiet: false, json, around: (say) => say() }).info(
      `--web: the page will ask for this token: ${token}`,
    );
  return {
    section: "sinks",
    present: "set",
    type: "web",
    place: "--web",
    options: { ...(listen !== undefined && { listen }), ...(token && { token }) },
  };
}
