import { ConfigError } from "../errors.js";
import { redact } from "../media/redact.js";

/** One server, and the login from its address. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
}

const DEFAULT_PORT = 4222;

/** Parses `nats://a:4222,tls://user:password@b`, or a list of such. Throws `ConfigError` if an address is invalid. */
export function parseAddresses(url: string | readonly string[]): Address[] {
  const texts = (typeof url === "string" ? [url] : url).flatMap((text) => text.split(","));
  return texts.map((text) => parseAddress(text.trim()));
}

function parseAddress(text: string): Address {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1]?.toLowerCase();
  const wrong = (what: string) =>
    new ConfigError(
      "NATS_URL",
      `${redact(text) || "an empty address"}: ${what}; write nats://host:4222 or tls://host:4222`,
    );
  if (scheme !== undefined && scheme !== "nats" && scheme !== "tls")
    throw wrong(`\`${scheme}://\` is not a NATS address`);
  const bare = text.replace(/^[a-z]+:\/\//i, "");
  if (!URL.canParse(`nats://${bare}`)) throw wrong("not a valid address");
  const url = new URL(`nats://${bare}`);
  if (!url.hostname) throw wrong("not a valid address");
  if (url.pathname.length > 1 || url.search || url.hash) throw wrong("nothing is allowed after the port");
  const user = decoded(url.username);
  const password = decoded(url.password);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port ? Number(url.port) : DEFAULT_PORT,
    tls: scheme === "tls",
    ...(user && password && { user, password }),
    ...(user && !password && { token: user }),
  };
}

/** Percent-decoded text, or the text itself if malformed. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** `host:port`, with an IPv6 address in brackets. */
export function hostPort({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** The addresses without logins, safe for messages. */
export function shownAddresses(addresses: readonly Address[]): string {
  return addresses.map((address) => `${address.tls ? "tls" : "nats"}://${hostPort(address)}`).join(",");
}
