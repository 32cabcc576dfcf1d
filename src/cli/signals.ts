import { closeSync, openSync } from "node:fs";
import { isatty } from "node:tty";

/** What the first signal does to a training run. */
export const SAVING = "saving after this batch";

/** `timeout` and some wrappers send a signal to us and then to our process group; nobody presses Ctrl-C that fast. In ms. */
const SAME_MS = 50;

/**
 * The first SIGINT or SIGTERM stops cleanly, the second at once. A closed terminal (SIGHUP) only stops cleanly, however
 * often it says so: the system and the shell both do.
 */
export class Signals {
  readonly #stop = new AbortController();
  readonly #abort = new AbortController();
  /** Receives a message when the first signal arrives. */
  say: (message: string) => void = () => {};
  readonly #stopping: string;
  #firstAtMs = 0;
  /** Those of standard input, output and error that are a terminal; on Windows it does not matter. */
  readonly #terminals = process.platform === "win32" ? [] : [0, 1, 2].filter((fd) => isatty(fd));

  /** @param stopping what happens on the first signal, in a few words */
  constructor(stopping = "finishing work in progress") {
    this.#stopping = stopping;
    process.on("SIGINT", this.#onSignal);
    process.on("SIGTERM", this.#onSignal);
    process.on("SIGHUP", this.#onHangUp);
  }

  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  get abort(): AbortSignal {
    return this.#abort.signal;
  }

  end(): void {
    process.off("SIGINT", this.#onSignal);
    process.off("SIGTERM", this.#onSignal);
    process.off("SIGHUP", this.#onHangUp);
  }

  readonly #onSignal = (): void => {
    if (this.stop.aborted) {
      if (performance.now() - this.#firstAtMs > SAME_MS) this.#abort.abort();
      return;
    }
    this.#firstAtMs = performance.now();
    this.say(`stopping: ${this.#stopping} (press Ctrl-C again to stop at once)`);
    this.#stop.abort();
  };

  readonly #onHangUp = (): void => {
    if (!this.stop.aborted) this.say(`stopping: ${this.#stopping} (the terminal was closed)`);
    this.#stop.abort();
    // At its end Node resets the terminals that it began with, and aborts if one has gone.
    for (const fd of this.#terminals.splice(0)) {
      closeSync(fd);
      openSync("/dev/null", "r+"); // takes the number that has become free
    }
  };
}
