import { createHmac, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";

/** How long a browser stays signed in. */
const SESSION_MS = 12 * 3_600_000;

/** True for addresses that only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * True for a `Host` header under which this server may be asked. A page elsewhere can point a name of its own at this
 * address (DNS rebinding) and would then be of the same origin; it cannot do so with a bare address, nor with names
 * that are ours.
 */
export function hostAllowed(header: string | undefined, names: readonly string[]): boolean {
  const name = hostName(header);
  if (name === undefined) return false;
  return isIP(name) !== 0 || ["localhost", hostname().toLowerCase(), ...names].includes(name);
}

/** The name in a `Host` header, without port and brackets. */
function hostName(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/@[\]]+))(?::\d{1,5})?$/i.exec(header ?? "");
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

/** True where the request comes from this server's own page, or from no page at all (a program sends no `Origin`). */
export function originAllowed(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  try {
    return new URL(origin).host === new URL(`http://${host}`).host || new URL(origin).host === host;
  } catch {
    return false; // `null`: a sandboxed frame, a file
  }
}

/**
 * The token and the cookies it buys. A cookie is its end and a signature by the token, so that it stays good when the
 * server starts again with the same token, and nothing has to be kept.
 */
export class Access {
  readonly #token: string | undefined;

  /** @param token nothing: everybody who reaches the server may look */
  constructor(token: string | undefined) {
    this.#token = token;
  }

  get open(): boolean {
    return this.#token === undefined;
  }

  /** Compares in constant time. */
  tokenIs(given: string): boolean {
    return (
      this.#token !== undefined && same(this.#sign(`token ${given}`), this.#sign(`token ${this.#token}`))
    );
  }

  cookieName(port: number): string {
    return `ekspresi-${port}`; // cookies are not told apart by port
  }

  /** A fresh cookie's value. */
  issue(nowMs: number): string {
    const end = nowMs + SESSION_MS;
    return `${end}.${this.#sign(`session ${end}`)}`;
  }

  /** True where a `Cookie` header holds a cookie of ours that is still good, or none is needed. */
  allows(cookies: string | undefined, port: number, nowMs: number): boolean {
    if (this.open) return true;
    const prefix = `${this.cookieName(port)}=`;
    const value = cookies?.split(/;\s*/).find((cookie) => cookie.startsWith(prefix));
    const [end = "", signature = ""] = value?.slice(prefix.length).split(".") ?? [];
    return Number(end) > nowMs && same(signature, this.#sign(`session ${end}`));
  }

  #sign(text: string): string {
    return createHmac("sha256", this.#token ?? "")
      .update(text)
      .digest("base64url");
  }
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
