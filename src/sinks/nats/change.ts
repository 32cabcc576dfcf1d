/** Lets others wait for a change. */
export class Change {
  readonly #waiting = new Set<() => void>();

  /** Resolves at the next `tell`, or after `ms`. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#waiting.add(done);
    });
  }

  readonly tell = (): void => {
    for (const done of [...this.#waiting]) done();
  };
}
