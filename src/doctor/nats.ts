import { messageOf } from "../errors.js";
import { redact } from "../media/redact.js";
import { DEFAULT_URL, parseAddresses, readGreeting, shownAddresses } from "../nats/index.js";
import { harmless } from "../text.js";
import type { Check } from "./check.js";

/** Whether a NATS server answers at the first address of `NATS_URL`. Needs no login. */
export async function checkNats(url = process.env.NATS_URL || DEFAULT_URL, timeoutMs = 1500): Promise<Check> {
  let shown = redact(url);
  try {
    const [first] = parseAddresses(url);
    if (!first) throw new Error("no address");
    shown = shownAddresses([first]);
    const { version, jetstream } = await readGreeting(first.host, first.port, timeoutMs);
    return {
      name: "nats",
      required: false,
      state: "ok",
      detail: `server ${harmless(version)} at ${shown}, JetStream ${jetstream ? "on" : "off"}`,
    };
  } catch (error) {
    return {
      name: "nats",
      required: false,
      state: "missing",
      detail: `no server at ${shown} (${messageOf(error)}); only the nats sink, events, worker, submit and jobs need one`,
      help: "start one: docker run -p 4222:4222 nats -js; or give yours: NATS_URL=nats://host:4222",
    };
  }
}
