import { createHmac, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { hostname } from "node:os";

/** How long a browser stays signed in. */
const SESSION_MS = 12 * 3_600_000;

/** True for addresses that can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * True for a `Host` header that this server accepts. Another site can point its own name at this address (DNS
 * rebinding) and would then share our origin; it cannot do so with a bare address, nor with our own names.
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

/** True if the request comes from this server's own page, or from no page (programs send no `Origin`). */
export function originAllowed(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  try {
    return new URL(origin).host === new URL(`http://${host}`).host || new URL(origin).host === host;
  } catch {
    return false; // `null`: a sandboxed frame, a file
  }
}

/**
 * Checks the token and issues cookies for it. A cookie is its expiry time signed with the token, so it stays valid when
 * the server restarts with the same token, and nothing needs to be stored.
 */
export class Access {
  readonly #token: string | undefined;

  /** @param token undefined: anyone who can reach the server may see the page */
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
    return `ekspresi-${port}`; // cookies are not separated by port
  }

  /** The value of a new cookie. */
  issue(nowMs: number): string {
    const end = nowMs + SESSION_MS;
    return `${end}.${this.#sign(`session ${end}`)}`;
  }

  /** True if a `Cookie` header has a valid cookie of ours, or none is needed. */
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
