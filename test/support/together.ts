/** What one test works with, and nobody else. */
interface Site {
  close(): Promise<void>;
}

/**
 * Registers tests as `it` does, for tests that mostly wait: when one's turn has come, those after it are started too,
 * `atOnce` of them at a time. Each gets a site of its own, closed after it, and must change nothing that others of the
 * process see.
 */
export function together<Own extends Site, Config extends unknown[]>(
  atOnce: number,
  open: (...config: Config) => Promise<Own>,
): (title: string, test: (site: Own) => Promise<void>, ...config: Config) => void {
  const tests: (() => Promise<void>)[] = [];
  const started = new Map<number, Promise<void>>();
  let running = 0;
  let over = false;

  function start(turn: number): Promise<void> {
    running++;
    const ended = Promise.resolve()
      .then(tests[turn])
      .finally(() => {
        running--;
        startNext();
      });
    ended.catch(() => {}); // it is told when its turn comes
    started.set(turn, ended);
    return ended;
  }
  function startNext(): void {
    const first = Math.min(...started.keys());
    for (let turn = first; turn < tests.length && running < atOnce && !over; turn++)
      if (!started.has(turn)) void start(turn);
  }

  // Those that were started but not chosen (`--grep`).
  after(async () => {
    over = true;
    await Promise.allSettled(started.values());
  });
  return (title, test, ...config) => {
    const turn =
      tests.push(async () => {
        const site = await open(...config);
        try {
          await test(site);
        } finally {
          await site.close();
        }
      }) - 1;
    it(title, async () => {
      const ended = started.get(turn) ?? start(turn);
      startNext();
      await ended;
    });
  };
}
