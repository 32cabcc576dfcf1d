import { resolve } from "node:path";
import type { Command } from "commander";
import type { NatsOptions, Wording } from "../nats/index.js";

/** The flags added by `addNatsFlags`. */
export interface NatsFlags {
  readonly nats?: string;
  readonly creds?: string;
  readonly nkey?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Adds the options for connecting to NATS. */
export function addNatsFlags(command: Command): Command {
  return command
    .option(
      "--nats <url>",
      "server URL, or several separated by commas; may include user and password (default: NATS_URL, else nats://127.0.0.1:4222)",
    )
    .option("--creds <file>", "credentials file (JWT and seed)")
    .option("--nkey <file>", "file with an nkey seed")
    .option("--tls-ca <file>", "trusted CA certificates, PEM")
    .option("--tls-cert <file>", "client certificate for mutual TLS, PEM")
    .option("--tls-key <file>", "private key of the client certificate, PEM");
}

/** What messages call these options. */
export const FLAGS: Wording = {
  option: (key) => `--${key.replace(".", "-")}`,
  url: "the URL",
  logins: "a user and password in the URL, --creds or --nkey",
};

export function natsOptions({ nats, creds, nkey, tlsCa, tlsCert, tlsKey }: NatsFlags): NatsOptions {
  const url = nats ?? (process.env.NATS_URL || undefined);
  const path = <K extends string>(key: K, file: string | undefined) =>
    (file === undefined ? {} : { [key]: resolve(file) }) as { [key in K]?: string };
  const tls = { ...path("ca", tlsCa), ...path("cert", tlsCert), ...path("key", tlsKey) };
  return {
    ...(url !== undefined && { url }),
    ...path("creds", creds),
    ...path("nkey", nkey),
    ...(Object.keys(tls).length > 0 && { tls }),
  };
}
