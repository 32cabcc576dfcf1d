import { setTimeout as sleep } from "node:timers/promises";
import { EkspresiError, messageOf } from "../../errors.js";
import { connectNats, type Nats, type NatsOptions, watchNats } from "../../nats/index.js";
import type { Log } from "../../pipeline/context.js";

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2000;
const CLOSE_MS = 200;

/** Callbacks from a link to its owner. */
export interface LinkOwner {
  /** A connection is open. Other callbacks wait until this resolves; if it rejects, the connection is abandoned. */
  opened(nats: Nats): Promise<void>;
  /** The connection has ended. */
  lost(): void;
  /** The server rejected something that was sent. */
  complaint(message: string, error: Error): void;
  /** What happens to events in the meantime, e.g. `events wait in out/spool`. */
  readonly meanwhile: string;
}

/**
 * Keeps one connection open at all times. Always reconnects with a new client: the client's own reconnection may send
 * what was published in the meantime before the owner can resend earlier events, which would change the order.
 */
export class Link {
  /** Why there is currently no connection. */
  trouble: string | undefined;
  readonly #id: string;
  readonly #options: NatsOptions;
  readonly #name: string;
  readonly #log: Log;
  readonly #owner: LinkOwner;
  readonly #closing = new AbortController();
  #nats: Nats | undefined;
  #said: string | undefined;
  #openedAtMs = 0;
  #kept: Promise<void> = Promise.resolve();

  constructor(id: string, options: NatsOptions, name: string, log: Log, owner: LinkOwner) {
    this.#id = id;
    this.#options = options;
    this.#name = name;
    this.#log = log;
    this.#owner = owner;
  }

  /** Connects; waits for a server that is not available, and rejects on any other error. */
  async open(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      if (!(error instanceof EkspresiError) || error.code !== "NATS_UNREACHABLE") throw error;
      this.#complain(messageOf(error));
    }
    this.#kept = this.#keep();
  }

  /** Replaces the current connection with a new one. */
  drop(why: string): void {
    this.trouble = `${this.#nats?.shown ?? "NATS"}: ${why}`;
    void this.#nats?.connection.close();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#nats?.close();
    // An attempt to connect to a hanging server continues for a while; it then closes its own connection.
    await Promise.race([this.#kept, sleep(CLOSE_MS, undefined, { ref: false })]);
  }

  async #keep(): Promise<void> {
    const { signal } = this.#closing;
    let waitMs = FIRST_WAIT_MS;
    while (!signal.aborted) {
      if (this.#nats) {
        const why = await this.#nats.connection.closed();
        const { shown } = this.#nats;
        this.#nats = undefined;
        this.#owner.lost();
        if (signal.aborted) return;
        this.#complain(this.trouble ?? `${shown}: connection lost${why ? ` (${why.message})` : ""}`);
        // A server that ends each connection at once must not be asked ten times a second.
        if (performance.now() - this.#openedAtMs > LONGEST_WAIT_MS) waitMs = FIRST_WAIT_MS;
      }
      await sleep(waitMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {});
      waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2);
      if (!signal.aborted) await this.#connect().catch((error: unknown) => this.#complain(messageOf(error)));
    }
  }

  async #connect(): Promise<void> {
    const nats = await connectNats(this.#options, { name: this.#name, reconnect: false });
    const watched = watchNats(nats, {
      complaint: (message, error) => this.#owner.complaint(message, error),
    });
    try {
      if (this.#closing.signal.aborted) throw new Error("closing");
      this.#nats = nats;
      await this.#owner.opened(nats);
      if (this.trouble !== undefined) this.#log.info(`${this.#id}: ${nats.shown}: connected`);
      this.trouble = undefined;
      this.#said = undefined;
      this.#openedAtMs = performance.now();
    } catch (error) {
      this.#nats = undefined;
      await nats.close(0);
      await watched;
      throw error;
    }
  }

  /** Logs why the server is unavailable, once per reason. */
  #complain(what: string): void {
    if (this.#said !== what) this.#log.warn(`${this.#id}: ${what}; ${this.#owner.meanwhile}; retrying`);
    this.#said = what;
    this.trouble = what;
  }
}
