import { execFileSync } from "node:child_process";

/** Skips a suite where network namespaces cannot be made: without root, `ip` and `tc` (Debian's iproute2), or Linux. */
export function needsNetwork(context: Mocha.Context): void {
  try {
    new Network("probe", ["peer"]).close();
  } catch (error) {
    console.log(`      skipped: no network namespaces (${(error as Error).message.split("\n")[0]})`);
    context.skip();
  }
}

/**
 * A machine in the middle and others, each a network namespace, with a cable of their own between the middle and each.
 * Cables can be cut and made slow; what is sent into a cut one is lost without a word.
 */
export class Network {
  readonly #middle: string;
  readonly #peers: readonly string[];

  /** @param name distinguishes it from others of this process */
  constructor(name: string, peers: readonly string[]) {
    const own = `ek${process.pid}${name}`;
    this.#middle = `${own}-middle`;
    this.#peers = peers;
    try {
      for (const namespace of [this.#middle, ...peers.map((peer) => this.#namespace(peer))]) {
        ip("netns", "add", namespace);
        ip("-n", namespace, "link", "set", "lo", "up");
      }
      for (const [i, peer] of peers.entries()) {
        const there = this.#namespace(peer);
        const pair = `link add to${i} type veth peer name up0 netns ${there}`;
        ip("-n", this.#middle, ...pair.split(" "));
        for (const [namespace, device, host] of [
          [this.#middle, `to${i}`, 1],
          [there, "up0", 2],
        ] as const) {
          ip("-n", namespace, "addr", "add", `10.231.${i}.${host}/30`, "dev", device);
          ip("-n", namespace, "link", "set", device, "up");
        }
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The middle's address, as a peer sees it. */
  middleOf(peer: string): string {
    return `10.231.${this.#peers.indexOf(peer)}.1`;
  }

  /** What to put before a command line so that it runs at a peer, or in the middle. */
  at(peer: string | "middle"): readonly [string, ...string[]] {
    return ["ip", "netns", "exec", peer === "middle" ? this.#middle : this.#namespace(peer)];
  }

  cut(peer: string): void {
    ip("-n", this.#middle, "link", "set", this.#cable(peer), "down");
  }

  mend(peer: string): void {
    ip("-n", this.#middle, "link", "set", this.#cable(peer), "up");
  }

  /** Lets so many kilobits a second through, each way; they queue up for two seconds at most. */
  slow(peer: string, kilobits: number): void {
    for (const [namespace, device] of [
      [this.#middle, this.#cable(peer)],
      [this.#namespace(peer), "up0"],
    ] as const)
      execFileSync(
        "tc",
        [
          "-n",
          namespace,
          ...`qdisc replace dev ${device} root tbf rate ${kilobits}kbit burst 4kb latency 2s`.split(" "),
        ],
        { stdio: "pipe" },
      );
  }

  close(): void {
    for (const namespace of [this.#middle, ...this.#peers.map((peer) => this.#namespace(peer))])
      try {
        ip("netns", "del", namespace);
      } catch {
        // it was never made
      }
  }

  #namespace(peer: string): string {
    return this.#middle.replace(/middle$/, peer);
  }

  #cable(peer: string): string {
    return `to${this.#peers.indexOf(peer)}`;
  }
}

function ip(...args: string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}
