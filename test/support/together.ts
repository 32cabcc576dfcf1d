/**
 * Registers tests as `it` does, for tests that mostly wait: when one's turn has come, those after it are started too,
 * `atOnce` of them at a time. Each must make all that it needs itself, and change nothing that others of the process see.
 */
export function together(atOnce: number): (title: string, test: () => Promise<void>) => void {
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
  return (title, test) => {
    const turn = tests.push(test) - 1;
    it(title, async () => {
      const ended = started.get(turn) ?? start(turn);
      startNext();
      await ended;
    });
  };
}
