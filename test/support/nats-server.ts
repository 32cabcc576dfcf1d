import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { halt } from "./halt.js";

/** Skips the test, or from a `before` hook its suite, where Debian's `nats-server` is not installed. */
export function needsNatsServer(context: Mocha.Context): void {
  try {
    execFileSync("nats-server", ["--version"], { stdio: "ignore" });
  } catch {
    console.log("      skipped: nats-server is not installed (apt install nats-server)");
    context.skip();
  }
}

/** A real nats-server on a free port of 127.0.0.1; its JetStream lives in a folder of its own. */
export class NatsServer {
  readonly port: number;
  readonly folder: string;
  readonly #configured: boolean;
  readonly #host: string;
  #at: readonly string[];
  #child: ChildProcess | undefined;
  #said = "";

  private constructor(
    port: number,
    folder: string,
    configured: boolean,
    { at = [], host = "127.0.0.1" }: { readonly at?: readonly string[]; readonly host?: string } = {},
  ) {
    this.port = port;
    this.folder = folder;
    this.#configured = configured;
    this.#at = at;
    this.#host = host;
  }

  /**
   * @param config lines of a server's configuration, e.g. `authorization { user: a, password: b }`
   * @param jetstream off where false
   * @param at what to put before the command line, e.g. to have it run in a network namespace
   * @param host where it listens
   */
  static async start({
    config = "",
    jetstream = true,
    ...where
  }: {
    config?: string;
    jetstream?: boolean;
    at?: readonly string[];
    host?: string;
  } = {}): Promise<NatsServer> {
    const folder = mkdtempSync(join(tmpdir(), "ekspresi-nats-"));
    const store = jetstream ? `jetstream { store_dir: "${join(folder, "js")}" }` : "";
    writeFileSync(join(folder, "server.conf"), `${store}\n${config}\n`);
    const server = new NatsServer(await freePort(), folder, true, where);
    try {
      await server.restart();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /** A server that has not been started yet: its port refuses until `restart`. */
  static async later(): Promise<NatsServer> {
    return new NatsServer(await freePort(), mkdtempSync(join(tmpdir(), "ekspresi-nats-")), false);
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** What it has logged. */
  get said(): string {
    return this.#said;
  }

  /** Starts it, again on the same port and folder. Resolves once it takes connections. */
  async restart(): Promise<void> {
    const own = ["-a", this.#host, "-p", String(this.port)];
    const args = this.#configured
      ? ["-c", join(this.folder, "server.conf")]
      : ["-js", "-sd", join(this.folder, "js")];
    const [command = "", ...rest] = [...this.#at, "nats-server", ...args, ...own];
    const child = spawn(command, rest, { stdio: ["ignore", "ignore", "pipe"] });
    this.#child = child;
    const orphaned = () => child.kill("SIGKILL");
    process.once("exit", orphaned);
    child.once("exit", () => process.off("exit", orphaned));
    const before = this.#said.length;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#said += chunk.toString();
    });
    while (!this.#said.includes("Server is ready", before)) {
      if (child.exitCode !== null) throw new Error(`nats-server ended:\n${this.#said}`);
      await sleep(10);
    }
  }

  /** Ends it and starts it again where this process is: what it has stored can then be read. */
  async bringHere(): Promise<void> {
    await this.stop();
    this.#at = [];
    await this.restart();
  }

  /** SIGKILL: what it had not put on the disk is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM, and waits for its end. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
  }

  /** SIGSTOP: connections stay open, nobody answers. */
  pause(): void {
    halt(this.#child);
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** Ends it, if it still runs, and removes its folder. */
  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    if (signal !== "SIGKILL") child.kill("SIGCONT"); // a halted one would react to no other
    child.kill(signal);
    await exited;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
