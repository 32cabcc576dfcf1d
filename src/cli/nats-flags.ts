import { resolve } from "node:path";
import type { Command } from "commander";
import type { NatsOptions } from "../nats/index.js";

/** What `addNatsFlags` gives. */
export interface NatsFlags {
  readonly nats?: string;
  readonly creds?: string;
  readonly nkey?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
}

/** Options with which a verb is told how to reach NATS. */
export function addNatsFlags(command: Command): Command {
  return command
    .option(
      "--nats <url>",
      "the server, or several separated by commas; may include user and password (default: NATS_URL, else nats://127.0.0.1:4222)",
    )
    .option("--creds <file>", "credentials file (JWT and seed)")
    .option("--nkey <file>", "file with the seed of an nkey")
    .option("--tls-ca <file>", "certificates to trust, PEM")
    .option("--tls-cert <file>", "client certificate, PEM, for mutual TLS")
    .option("--tls-key <file>", "its private key, PEM");
}

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
